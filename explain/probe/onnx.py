"""An ONNX file whose assignment can be replaced, for `explain.probe.measure`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import PackageError
from zoo.images.preprocess import Pixels
from zoo.predictors import Array

REPLACED = "replaced_assignment"
"""Name of the input that the opened graph gets."""


@dataclass(frozen=True, slots=True)
class OnnxAnswers:
    """An ONNX file of a variant with the semantic block, on the CPU."""

    whole: Any
    """An `onnxruntime.InferenceSession` of the file."""
    opened: Any
    """One of the same graph, cut open behind the assignment."""

    @staticmethod
    def open(file: Path) -> "OnnxAnswers":
        """The answers of a file.

        Raises:
            PackageError: its graph has no assignment that anything else is computed from.
        """
        import onnx
        import onnxruntime

        model = onnx.load(file)
        providers = ["CPUExecutionProvider"]
        whole = onnxruntime.InferenceSession(model.SerializeToString(), providers=providers)
        _cut_open(model.graph, file)
        return OnnxAnswers(whole, onnxruntime.InferenceSession(model.SerializeToString(), providers=providers))

    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        if assignment is None:
            logits, shares = self.whole.run(["logits", "assignment"], {"image": pixels})
        else:
            logits, shares = self.opened.run(["logits", "assignment"], {"image": pixels, REPLACED: assignment})
        return logits, shares


def _cut_open(graph: Any, file: Path) -> None:
    """Let what is computed from the assignment be computed from another input instead."""
    from onnx import TensorProto, helper

    outputs = {output.name: output for output in graph.output}
    producers = {name: node for node in graph.node for name in node.output}
    tensor, type_inside = "assignment", TensorProto.FLOAT
    # In half precision the assignment is cast for the answer only.
    while not _readers(graph, tensor) and tensor in producers and producers[tensor].op_type == "Cast":
        tensor, type_inside = producers[tensor].input[0], TensorProto.FLOAT16
    readers = [node for node in _readers(graph, tensor) if "assignment" not in node.output]
    if "assignment" not in outputs or not readers:
        raise PackageError(f"{file} computes nothing from an assignment; choose a variant with the semantic block")
    shape = [
        dimension.dim_value or dimension.dim_param for dimension in outputs["assignment"].type.tensor_type.shape.dim
    ]
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
