"""ONNX files that say that they are what a test needs."""

import json
from pathlib import Path

import onnx

from zoo.package import ONNX_FILES, Package
from zoo.runtime import Precision


def copy_as(package: Package, precision: Precision) -> Path:
    """Copy a model's file in single precision as one that calls itself another; what it computes stays the same."""
    model = onnx.load(package.path / ONNX_FILES["fp32"])
    [named] = [entry for entry in model.metadata_props if entry.key == "precision"]
    named.value = json.dumps(precision)
    file = package.path / ONNX_FILES[precision]
    onnx.save(model, file)
    return file
