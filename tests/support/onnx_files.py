"""ONNX files that say that they are what a test needs."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import onnx

from zoo.outputs import EMBEDDING, LOGITS, STANDARD
from zoo.package import CONFIG_FILE, ONNX_FILES, PARITY_FILE, Package
from zoo.package.onnx_metadata import onnx_metadata
from zoo.runtime import Precision


def copy_as(package: Package, precision: Precision) -> Path:
    """Copy a model's file in single precision as one that calls itself another; what it computes stays the same."""
    model = onnx.load(package.path / ONNX_FILES["fp32"])
    [named] = [entry for entry in model.metadata_props if entry.key == "precision"]
    named.value = json.dumps(precision)
    file = package.path / ONNX_FILES[precision]
    onnx.save(model, file)
    return file


def copy_under_name(package: Package, folder: Path, data: str) -> Package:
    """A model directory with the file in single precision of another, as if its data set had another name."""
    config = replace(package.config, data=data)
    model = onnx.load(package.path / ONNX_FILES["fp32"])
    onnx.helper.set_model_props(model, onnx_metadata(config, "fp32", STANDARD))
    folder.mkdir()
    (folder / CONFIG_FILE).write_text(config.to_json())
    onnx.save(model, folder / ONNX_FILES["fp32"])
    return Package.open(folder)


def with_embedding(package: Package, folder: Path) -> Package:
    """A copy of a model whose ONNX file, from an earlier version, has no embedding, as if it were exported now."""
    copytree(package.path, folder)
    file = folder / ONNX_FILES["fp32"]
    model = onnx.load(file)
    graph = model.graph
    [head] = [node for node in graph.node if LOGITS.name in node.output]
    size = next(tensor.dims[1] for tensor in graph.initializer if tensor.name == head.input[1])
    graph.node.append(onnx.helper.make_node("Identity", [head.input[0]], [EMBEDDING.name]))
    graph.output.append(onnx.helper.make_tensor_value_info(EMBEDDING.name, onnx.TensorProto.FLOAT, ["N", size]))
    onnx.helper.set_model_props(model, onnx_metadata(package.config, "fp32", (*STANDARD, EMBEDDING)))
    onnx.save(model, file)
    (folder / PARITY_FILE).unlink()
    return Package.open(folder)


def break_network(package: Package) -> None:
    """Have a model's file in single precision one that ONNX Runtime opens, and cannot compute."""
    file = package.path / ONNX_FILES["fp32"]
    model = onnx.load(file)
    for node in model.graph.node:
        node.input[:] = ["picked" if name == "image" else name for name in node.input]
    # An image far beyond the last one.
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([10**6]), "index"))
    model.graph.node.insert(0, onnx.helper.make_node("Gather", ["image", "index"], ["picked"], axis=0))
    onnx.save(model, file)


def with_determinant(file: Path, target: Path) -> Path:
    """Copy a file and add an operation to its class logits that changes nothing, and that CUDA does not have."""
    model = onnx.load(file)
    graph, make_node = model.graph, onnx.helper.make_node
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == "logits":
                node.output[index] = "own_logits"
    graph.initializer.append(onnx.helper.make_tensor("nothing", onnx.TensorProto.FLOAT, [], [0.0]))
    graph.node.extend(
        [
            make_node("Det", ["patch_logits"], ["determinants"]),
            make_node("Mul", ["determinants", "nothing"], ["zeros"]),
            make_node("Add", ["own_logits", "zeros"], ["logits"]),
        ]
    )
    onnx.save(model, target)
    return target
