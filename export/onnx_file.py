"""Export to ONNX files, which are self-contained, carry the model's identity, and are reproducible byte for byte with
the same versions of the exporter.
"""

import dataclasses
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import torch
from torch import nn

from export.fold import FoldedNetwork, fold
from export.precision import in_half, with_scaled_channels
from export.quantize import quantize
from zoo.errors import InputError
from zoo.files import write_atomically
from zoo.images.preprocess import Pixels
from zoo.networks.load import load_package
from zoo.networks.network import Network
from zoo.outputs import INPUT, PATCH_LOGITS, Output, check_outputs, check_shape
from zoo.package import MIN_INPUT_SIZE, ModelConfig, Package
from zoo.package.onnx_metadata import onnx_metadata
from zoo.predictors import check_pixels
from zoo.runtime import Precision

# Native opset of PyTorch's exporter. Newer opsets only bring new operator versions (19: AveragePool, 21: Cast, 22:
# Conv), and ONNX Runtime falls back to the CPU for those that its CUDA provider does not implement.
OPSET = 18

PRODUCER = "template-zoo"


def export_onnx(
    package: Package,
    file: Path,
    input_size: int | None = None,
    precision: Precision = "fp32",
    pixels: Pixels | None = None,
    progress: Callable[[str], None] = lambda part: None,
) -> ModelConfig:
    """Export a model to an ONNX file.

    Arguments:
        package: model directory.
        file: output file, replaced atomically if it exists.
        input_size: height and width of the input pixels; None for those that the model was trained on. A file with
            another size has its own identity, so it cannot be part of the model directory.
        precision, pixels, progress: as for `export_network`.

    Returns:
        Configuration stored in the file.

    Raises:
        InputError: the input size is below `zoo.package.MIN_INPUT_SIZE`, or there are no images for int8.
        PackageError: the weights are missing, damaged or of another network.
    """
    config = package.config
    if input_size is not None:
        config = dataclasses.replace(config, input_size=check_input_size(input_size))
    export_network(load_package(package), config, file, precision, pixels, progress)
    return config


def check_input_size(size: int) -> int:
    """Validate an input size and return it.

    Raises:
        InputError: the size is below `zoo.package.MIN_INPUT_SIZE`.
    """
    if size < MIN_INPUT_SIZE:
        raise InputError(f"input_size = {size}: must be at least {MIN_INPUT_SIZE}")
    return size


def export_network(
    network: Network,
    config: ModelConfig,
    file: Path,
    precision: Precision = "fp32",
    pixels: Pixels | None = None,
    progress: Callable[[str], None] = lambda part: None,
) -> None:
    """Export a network to an ONNX file with a model's identity; the network is not modified.

    The file's input is `image`, uint8 pixels [N, 3, S, S] with N >= 1 and the configuration's input size S. Its
    outputs are those that the network declares, in single precision. Its metadata hold the configuration and the
    declarations.

    Arguments:
        network: network to export.
        config: identity of the model.
        file: output file, replaced atomically if it exists.
        precision: precision of weights and features.
        pixels: training images [N, 3, S, S], for `int8` only; see `export.quantize`.
        progress: called with a description of each quantisation trial.

    Raises:
        InputError: the configuration and the network differ in the number of classes, or there are no images for int8.
    """
    if len(config.classes) != network.num_classes:
        raise InputError(f"the network has {network.num_classes} classes, but its configuration {len(config.classes)}")
    folded, metadata = fold(network), onnx_metadata(config, precision, network.outputs)
    check_predicted(folded, config)
    if precision == "int8":
        if pixels is None:
            raise InputError("int8 needs training images for calibration; set --data")
        check_pixels(pixels, config)
        quantized = quantize(to_onnx(with_scaled_channels(folded), folded.outputs, config.input_size), pixels, progress)
        model = quantized.model
        metadata |= {"quantization": json.dumps(quantized.record())}
    else:
        model = to_onnx(in_half(folded) if precision == "fp16" else folded, folded.outputs, config.input_size)
    model.producer_name, model.producer_version = PRODUCER, ""
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(file, model.SerializeToString(deterministic=True))


def check_predicted(folded: FoldedNetwork, config: ModelConfig) -> None:
    """Check that a network, folded for inference, predicts what it declares.

    Raises:
        InputError: a declaration is not valid, an output is missing, or is not of the declared shape or type.
    """
    check_outputs(folded.outputs)
    with torch.inference_mode():
        predicted = folded.predict(torch.zeros(2, 3, config.input_size, config.input_size, dtype=torch.uint8))
    if missing := [output.name for output in folded.outputs if output.name not in predicted]:
        raise InputError(f"the network declares {', '.join(missing)}, and does not predict it")
    grid = predicted[PATCH_LOGITS.name].shape[2:]
    for output in folded.outputs:
        array = predicted[output.name]
        check_shape(output, array.shape[1:], not array.is_floating_point(), config.classes, grid)


def to_onnx(module: nn.Module, outputs: Sequence[Output], size: int) -> onnx.ModelProto:
    """ONNX model, without metadata, of a module that maps pixels [N, 3, size, size] (N symbolic) to a tuple of
    outputs.
    """
    pixels = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    with warnings.catch_warnings():
        # They concern the exporter's internals, and are not actionable for the caller.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (pixels,),
            input_names=[INPUT],
            output_names=[output.name for output in outputs],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _strip(model)
    return model


def _strip(model: onnx.ModelProto) -> None:
    """Remove the exporter's debugging information: stack traces, which contain paths of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
