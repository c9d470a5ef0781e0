"""Models with a replaceable assignment: PyTorch networks and ONNX files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from zoo.errors import PackageError
from zoo.images.preprocess import Pixels
from zoo.networks.network import Network
from zoo.outputs import ASSIGNMENT, INPUT, LOGITS, TEMPLATES, Array
from zoo.predictors.onnx_session import session_options

REPLACED = "replaced_assignment"
"""Name of the graph input that replaces the assignment."""


class BlockModel(Protocol):
    """Model whose assignment can be replaced."""

    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        """Class logits [N, C], and assignment to M templates per class [N, C * M + 1, h, w], of pixels [N, 3, S, S].

        Arguments:
            pixels: images.
            assignment: replacement for the block's own assignment; None to keep that.
        """


@dataclass(frozen=True, slots=True)
class TorchBlockModel:
    """Network with a semantic block, in evaluation mode."""

    network: Network

    @torch.inference_mode()
    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        device = self.network.device
        given = None if assignment is None else torch.from_numpy(assignment).to(device)
        semantics = self.network.semantics(torch.from_numpy(pixels).to(device), given)
        shares = semantics.assignment if semantics.templates is None else semantics.templates
        assert shares is not None
        return semantics.logits.cpu().numpy(), shares.cpu().numpy()


@dataclass(frozen=True, slots=True)
class OnnxBlockModel:
    """ONNX file of a variant with a semantic block, on the CPU."""

    original: Any
    """`onnxruntime.InferenceSession` of the file."""
    replaceable: Any
    """Session of the same graph with the assignment as an additional input."""
    output: str
    """Name of the assignment's output: that of the templates if the classes have several."""

    @staticmethod
    def open(file: Path) -> "OnnxBlockModel":
        """Open an ONNX file.

        Raises:
            PackageError: nothing in the graph is computed from an assignment.
        """
        import onnx
        import onnxruntime

        model = onnx.load(file)
        providers = ["CPUExecutionProvider"]
        options = session_options(onnxruntime)
        original = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
        given = {output.name for output in model.graph.output}
        output = TEMPLATES if TEMPLATES in given else ASSIGNMENT.name
        _add_assignment_input(model.graph, output, file)
        replaceable = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
        return OnnxBlockModel(original, replaceable, output)

    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        outputs = [LOGITS.name, self.output]
        if assignment is None:
            logits, shares = self.original.run(outputs, {INPUT: pixels})
        else:
            logits, shares = self.replaceable.run(outputs, {INPUT: pixels, REPLACED: assignment})
        return logits, shares


def _add_assignment_input(graph: Any, output: str, file: Path) -> None:
    """Add a graph input to replace the assignment, an output, in everything that is computed from it."""
    from onnx import TensorProto, helper

    outputs = {each.name: each for each in graph.output}
    producers = {name: node for node in graph.node for name in node.output}
    tensor, type_inside = output, TensorProto.FLOAT
    # In half precision, only the output is a cast of the assignment.
    while not _readers(graph, tensor) and tensor in producers and producers[tensor].op_type == "Cast":
        tensor, type_inside = producers[tensor].input[0], TensorProto.FLOAT16
    readers = [node for node in _readers(graph, tensor) if output not in node.output]
    if output not in outputs or not readers:
        raise PackageError(f"{file} computes nothing from an assignment; choose a variant with a semantic block")
    shape = [dimension.dim_value or dimension.dim_param for dimension in outputs[output].type.tensor_type.shape.dim]
    graph.input.append(helper.make_tensor_value_info(REPLACED, TensorProto.FLOAT, shape))
    given = REPLACED
    if type_inside != TensorProto.FLOAT:
        given = f"{REPLACED}_inside"
        graph.node.insert(0, helper.make_node("Cast", [REPLACED], [given], to=type_inside))
    for node in readers:
        for index, name in enumerate(node.input):
            if name == tensor:
                node.input[index] = given


def _readers(graph: Any, tensor: str) -> list[Any]:
    return [node for node in graph.node if tensor in node.input]
