"""Networks and model directories that behave like trained ones, made without training."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import zoo
from export.onnx_file import export_network
from zoo.matching import SlackSoftmax
from zoo.network import Network
from zoo.package import CONFIG_FILE, ONNX_FILE, WEIGHTS_FILE, ModelConfig, Package, sha256
from zoo.preprocess import CIFAR10_NORMALIZATION, Pixels

MakeNetwork = Callable[..., Network]
MakePixels = Callable[..., Pixels]


@dataclass(frozen=True)
class Exported:
    """A network and its ONNX file."""

    network: Network
    config: ModelConfig
    file: Path


def make_config(variant: str, classes: int, size: int = 32, digest: str = "0" * 64) -> ModelConfig:
    names = tuple(f"class {index}" for index in range(classes))
    return ModelConfig(variant, "cifar10", names, size, CIFAR10_NORMALIZATION, digest)


def pixels(count: int, size: int = 32) -> Pixels:
    """Pictures of coloured squares: unlike noise, their features differ from place to place and picture to picture."""
    squares = np.random.default_rng(count).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    side = -(-size // 8)
    return np.ascontiguousarray(squares.repeat(side, axis=2).repeat(side, axis=3)[:, :, :size, :size])


@cache
def make_network(variant: str, classes: int = 10, assignment: str = "softmax") -> Network:
    """A network whose every tensor is random and whose numbers are of ordinary size."""
    torch.manual_seed(0)
    network = zoo.create(variant, num_classes=classes, assignment=assignment)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = None  # the statistics of the one batch below
    for module in network.modules():
        if isinstance(module, SlackSoftmax):
            nn.init.uniform_(module.gamma, 0.5, 2)
            nn.init.normal_(module.beta)
    with torch.no_grad():
        network(torch.from_numpy(pixels(8)))
        for norm in norms:
            norm.running_mean += 0.1 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4)
        network.eval()
        keys = getattr(network.block, "keys", None)
        if keys is not None:
            nn.init.normal_(keys.bias)
            keys.weight /= network.semantics(torch.from_numpy(pixels(8))).patch_logits.std() / 3
        answer = network.semantics(torch.from_numpy(pixels(8)))
        largest = answer.patch_logits if keys is None else answer.logits
        network.classifier.weight /= largest.std() / 3
    return network


@pytest.fixture(scope="session", name="pixels")
def pixels_fixture() -> MakePixels:
    """`pixels(count, size=32)`: noise."""
    return pixels


@pytest.fixture(scope="session", name="make_network")
def make_network_fixture() -> MakeNetwork:
    """`make_network(variant, classes=10, assignment="softmax")`: the same network each time; not to be changed."""
    return make_network


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """`exported(variant, classes=10)`: a network and its file, exported once."""
    folder = tmp_path_factory.mktemp("onnx")

    @cache
    def export(variant: str, classes: int = 10) -> Exported:
        network, config = make_network(variant, classes), make_config(variant, classes)
        file = folder / f"{variant}-{classes}.onnx"
        export_network(network, config, file)
        return Exported(network, config, file)

    return export


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A model directory of `wrn16-ours` with weights, and without an ONNX file."""
    folder = tmp_path / "wrn16-ours.cifar10"
    folder.mkdir()
    save_file(make_network("wrn16-ours").state_dict(), folder / WEIGHTS_FILE)
    config = make_config("wrn16-ours", 10, digest=sha256(folder / WEIGHTS_FILE))
    (folder / CONFIG_FILE).write_text(config.to_json())
    return Package.open(folder)


@pytest.fixture
def verifiable(package: Package) -> Package:
    """A model directory with an ONNX file."""
    export_network(make_network("wrn16-ours"), package.config, package.path / ONNX_FILE)
    return package
