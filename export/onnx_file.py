"""A network as an ONNX file: self-contained, named, and the same bytes from the same versions of what writes it."""

import dataclasses
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import torch
from torch import nn

from export.fold import fold
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

# What PyTorch's exporter writes without a conversion. Newer opsets renew operators without need (19: AveragePool,
# 21: Cast, 22: Conv), and ONNX Runtime computes on the CPU what its CUDA provider has not registered anew.
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
    """Write the ONNX file of a model.

    Arguments:
        package: the model directory.
        file: where to write; replaced if it is there, all or nothing.
        input_size: height and width of the pixels that the file takes, if not what the model was trained on. Such a
            file has an identity of its own, so it cannot stand in the model directory.
        precision, pixels, progress: as for `export_network`.

    Returns:
        The identity that the file carries.

    Raises:
        InputError: the input size is below `zoo.package.MIN_INPUT_SIZE`, or there are no images for 8 bits.
        PackageError: the weights are missing, damaged or of another network.
    """
    config = package.config
    if input_size is not None:
        config = dataclasses.replace(config, input_size=check_input_size(input_size))
    export_network(load_package(package), config, file, precision, pixels, progress)
    return config


def check_input_size(size: int) -> int:
    """The size itself.

    Raises:
        InputError: it is below `zoo.package.MIN_INPUT_SIZE`.
    """
    if size < MIN_INPUT_SIZE:
        raise InputError(f"input_size = {size}: the smallest is {MIN_INPUT_SIZE}")
    return size


def export_network(
    network: Network,
    config: ModelConfig,
    file: Path,
    precision: Precision = "fp32",
    pixels: Pixels | None = None,
    progress: Callable[[str], None] = lambda part: None,
) -> None:
    """Write a network as an ONNX file with a model's identity; the network itself stays as it is.

    The file takes `image`, uint8 pixels [N, 3, S, S] with N from 1 up and S the configuration's input size, and gives
    the outputs that the network declares, in single precision. Its metadata hold the configuration and the
    declarations.

    Arguments:
        network: to be written.
        config: its identity.
        file: where to; replaced if it is there, all or nothing.
        precision: of weights and features.
        pixels: of training images [N, 3, S, S], for `int8` only; see `export.quantize`.
        progress: called with what quantisation tries.

    Raises:
        InputError: the configuration names more or fewer classes than the network has, or there are no images for 8
            bits.
    """
    if len(config.classes) != network.num_classes:
        raise InputError(f"the network has {network.num_classes} classes, its configuration {len(config.classes)}")
    check_predicted(network, config)
    folded, metadata = fold(network), onnx_metadata(config, precision, network.outputs)
    if precision == "int8":
        if pixels is None:
            raise InputError("8 bits take training images, for the scales of the features; name them with --data")
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


def check_predicted(network: Network, config: ModelConfig) -> None:
    """Check that a network predicts what it declares.

    Raises:
        InputError: a declaration is not valid, an output is missing, or is not of the declared shape or type.
    """
    check_outputs(network.outputs)
    pixels = torch.zeros(2, 3, config.input_size, config.input_size, dtype=torch.uint8, device=network.device)
    training = network.training
    with torch.inference_mode():
        predicted = network.eval().predict(pixels)
    network.train(training)
    if missing := [output.name for output in network.outputs if output.name not in predicted]:
        raise InputError(f"the network declares {', '.join(missing)}, and does not predict it")
    grid = predicted[PATCH_LOGITS.name].shape[2:]
    for output in network.outputs:
        array = predicted[output.name]
        check_shape(output, array.shape[1:], not array.is_floating_point(), config.classes, grid)


def to_onnx(module: nn.Module, outputs: Sequence[Output], size: int) -> onnx.ModelProto:
    """A module from pixels [N, 3, size, size] to a tuple of outputs as an ONNX model, N symbolic, without metadata."""
    pixels = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    with warnings.catch_warnings():
        # They come from inside the exporter and name nothing that its caller could do otherwise.
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
    """Remove what the exporter notes for its developers: stack traces, and with them paths of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
