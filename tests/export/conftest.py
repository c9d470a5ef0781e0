"""Networks and model directories that behave like trained ones, made without training."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import zoo
from export.onnx_file import export_network
from zoo.files import sha256
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Pixels
from zoo.networks.matching import SlackSoftmax
from zoo.networks.network import Network
from zoo.package import CONFIG_FILE, ONNX_FILES, WEIGHTS_FILE, ModelConfig, Package
from zoo.package.onnx_metadata import onnx_metadata
from zoo.registry import AssignmentName

MakeNetwork = Callable[..., Network]
MakePixels = Callable[..., Pixels]


@dataclass(frozen=True)
class Exported:
    """A network and its ONNX file."""

    network: Network
    config: ModelConfig
    file: Path


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    # The threads of these small networks wait for each other more than they compute, tenfold so on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_config(
    variant: str, classes: int = 10, assignment: AssignmentName = "softmax", templates: int = 1
) -> ModelConfig:
    names = tuple(f"class {index}" for index in range(classes))
    return ModelConfig(variant, "cifar10", names, 32, CIFAR10_NORMALIZATION, "0" * 64, assignment, templates)


def pixels(count: int, size: int = 32) -> Pixels:
    """Images of coloured squares: unlike noise, their features differ from place to place and image to image."""
    squares = np.random.default_rng(count).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    side = -(-size // 8)
    return np.ascontiguousarray(squares.repeat(side, axis=2).repeat(side, axis=3)[:, :, :size, :size])


@cache
def make_network(
    variant: str, classes: int = 10, assignment: AssignmentName = "softmax", templates: int = 1
) -> Network:
    """A network whose every tensor is random and whose numbers are of ordinary size."""
    torch.manual_seed(0)
    network = zoo.create(variant, num_classes=classes, assignment=assignment, templates=templates)
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
            keys.weight /= network.semantics(torch.from_numpy(pixels(8))).patch_logits.std()
        answer = network.semantics(torch.from_numpy(pixels(8)))
        largest = answer.patch_logits if keys is None else answer.logits
        network.classifier.weight /= largest.std()
    return network


@pytest.fixture(scope="session", name="pixels")
def pixels_fixture() -> MakePixels:
    """`pixels(count, size=32)`: noise."""
    return pixels


@pytest.fixture(scope="session", name="make_network")
def make_network_fixture() -> MakeNetwork:
    """`make_network(variant, classes=10, assignment="softmax", templates=1)`: the same each time; not to be changed."""
    return make_network


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """`exported(variant, classes=10, assignment="softmax", templates=1)`: a network and its file, exported once."""
    folder = tmp_path_factory.mktemp("onnx")

    @cache
    def export(variant: str, classes: int = 10, assignment: AssignmentName = "softmax", templates: int = 1) -> Exported:
        chosen = variant, classes, assignment, templates
        network, config = make_network(*chosen), make_config(*chosen)
        file = folder / f"{variant}-{classes}-{assignment}-{templates}.onnx"
        export_network(network, config, file)
        return Exported(network, config, file)

    return export


@pytest.fixture(scope="session")
def complete_package(exported: Callable[..., Exported]) -> Callable[[Path, str], Package]:
    """`complete_package(folder, variant)`: a model directory, complete with its ONNX file."""

    def make(folder: Path, variant: str) -> Package:
        folder.mkdir()
        save_file(make_network(variant).state_dict(), folder / WEIGHTS_FILE)
        config = dataclasses.replace(make_config(variant), weights_sha256=sha256(folder / WEIGHTS_FILE))
        (folder / CONFIG_FILE).write_text(config.to_json())
        # An export takes seconds; but for its identity, this file is what it would give.
        made = exported(variant)
        model = onnx.load(made.file)
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, onnx_metadata(config, "fp32", made.network.outputs))
        onnx.save(model, folder / ONNX_FILES["fp32"])
        return Package.open(folder)

    return make


@pytest.fixture
def package(complete_package: Callable[[Path, str], Package], tmp_path: Path) -> Package:
    """A model directory of `wrn16-ours`, complete with its ONNX file."""
    return complete_package(tmp_path / "wrn16-ours.cifar10", "wrn16-ours")
