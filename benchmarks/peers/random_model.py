"""Model directories with random weights, for variants without weights; times do not depend on weights."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from peers.subject import CLASSES, coloured_squares

from export.onnx_file import export_onnx
from zoo.networks.load import create
from zoo.networks.save import save
from zoo.package import ONNX_FILES, Package
from zoo.runtime import Precision


def random_model(
    variant: str, precisions: Iterable[Precision], folder: Path, progress: Callable[[str], None]
) -> Package:
    """Write a model directory `VARIANT.random` with an ONNX file in each precision.

    Arguments:
        variant: name of the variant.
        precisions: precisions of the files.
        folder: where to write it.
        progress: called with a description of each step.
    """
    torch.manual_seed(0)
    classes = [f"class {index}" for index in range(CLASSES)]
    network = create(variant, num_classes=CLASSES).eval()
    package = save(network, folder / f"{variant}.random", classes=classes, data="random")
    for precision in precisions:
        progress(f"{package.config.name}: exporting {precision}")
        squares = coloured_squares() if precision == "int8" else None
        export_onnx(package, package.path / ONNX_FILES[precision], precision=precision, pixels=squares)
    return package
