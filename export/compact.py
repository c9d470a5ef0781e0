"""A model directory whose weights take half the space."""

import dataclasses
import hashlib
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from zoo.card import write_card
from zoo.errors import InputError
from zoo.models import load_package
from zoo.package import CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE, Package, write_atomically, write_json


def compact(package: Package, out: Path) -> Package:
    """Write a model directory with the weights of convolutions and of the head rounded to half precision.

    It is another model: with an identity of its own, no ONNX file, and no accuracy before it was measured. Networks
    compute in single precision as before; what normalises stays as it is, since it takes little space.

    Arguments:
        package: the model directory to start from; it stays as it is.
        out: the new one.

    Raises:
        InputError: there is something at `out` already, or a weight is beyond the range of half precision.
        PackageError: the weights are missing, damaged or of another network.
    """
    if out.exists():
        raise InputError(f"{out} is there already; name a new directory")
    rounded = {name: _round(name, value) for name, value in load_package(package).state_dict().items()}
    data = save(rounded)
    config = dataclasses.replace(package.config, weights_sha256=hashlib.sha256(data).hexdigest())
    write_atomically(out / WEIGHTS_FILE, data)
    write_atomically(out / CONFIG_FILE, config.to_json().encode())
    new, metrics = Package.open(out), package.metrics()
    if "training" in metrics:
        training = metrics["training"] | {"rounded_from_sha256": package.config.weights_sha256}
        write_json(out / METRICS_FILE, {"training": training})
    write_card(new)
    return new


def _round(name: str, value: Tensor) -> Tensor:
    if value.dim() < 2:
        return value
    half = value.half()
    if not torch.isfinite(half).all():
        raise InputError(f"{name} has weights up to {value.abs().max():.3g}: half precision ends at 65504")
    return half.contiguous()
