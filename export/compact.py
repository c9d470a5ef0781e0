"""Copies of model directories with half-precision weights."""

import dataclasses
import hashlib
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from export.precision import to_half
from zoo.files import new_folder, write_atomically, write_json
from zoo.networks.load import load_package
from zoo.package import CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE, Package
from zoo.package.card import write_card
from zoo.package.metrics import own_metrics


def compact(package: Package, out: Path) -> Package:
    """Copy a model directory with the weights of convolutions and of the head rounded to half precision.

    The copy is another model: it has its own identity, no ONNX file, and no accuracy until it is evaluated. Inference
    stays in single precision; normalisation layers, which are small, keep their precision.

    Arguments:
        package: model directory to copy.
        out: new model directory.

    Raises:
        InputError: `out` is not empty, or a weight is beyond the range of half precision.
        PackageError: the weights are missing, damaged or of another network.
    """
    rounded = {name: _round(name, value) for name, value in load_package(package).state_dict().items()}
    data = save(rounded)
    config = dataclasses.replace(package.config, weights_sha256=hashlib.sha256(data).hexdigest())
    with new_folder(out) as made:
        write_atomically(made / WEIGHTS_FILE, data)
        write_atomically(made / CONFIG_FILE, config.to_json().encode())
        if own_metrics(package).training:
            origin = {"rounded_from_sha256": package.config.weights_sha256}
            training = origin | package.metrics()["training"] | {"weights_sha256": config.weights_sha256}
            write_json(made / METRICS_FILE, {"training": training})
        write_card(Package.open(made))
    return Package.open(out)


def _round(name: str, value: Tensor) -> Tensor:
    return to_half(name, value).contiguous() if value.dim() >= 2 else value
