"""A variant to measure: its network and exported files, with the time of each export."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from peers.ordinary import Ordinary, OrdinaryNetwork, nearest
from torch import Tensor, nn

from export.onnx_file import export_network, to_onnx
from zoo.files import sha256
from zoo.hub import DEFAULT_DATA, local_models, open_model
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Pixels
from zoo.networks.load import create, load_package
from zoo.networks.network import Network
from zoo.outputs import LOGITS
from zoo.package import ModelConfig
from zoo.registry import info
from zoo.runtime import Device, Precision

SIDE = 32
"""Side of the images in pixels."""
CLASSES = 10
SQUARES = 64
"""Number of generated images for quantisation scales, if none are given."""


class AnswerTuple(nn.Module):
    """An unfolded network that returns a plain tuple, as compilers and exporters require."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Declared outputs of the network for pixels [N, 3, S, S], uint8."""
        return tuple(self.network.predict(pixels).values())


class HalfAnswerTuple(AnswerTuple):
    """The same in half precision, with outputs in single precision."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.half())

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return tuple(output.float() for output in super().forward(pixels))


@dataclass(frozen=True, slots=True)
class Written:
    """An exported file."""

    path: Path
    seconds: float
    """Time of the export."""
    nodes: int
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "path"}


@dataclass(slots=True)
class Subject:
    """A variant's network, with its files in a folder."""

    variant: str
    folder: Path
    device: Device
    threads: int
    network: Network = field(init=False)
    """Network in evaluation mode on the CPU; never modified."""
    config: ModelConfig = field(init=False)
    weights: str = "random"
    """Name of the model if its weights are available, otherwise `random`."""
    ordinary: Ordinary | None = None
    files: dict[str, Written] = field(default_factory=dict)
    """Files by kind: `plain`, a precision, or `ordinary`."""
    failed: dict[str, str] = field(default_factory=dict)
    """Reasons for missing files, by precision."""

    def __post_init__(self) -> None:
        name = f"{self.variant}.{DEFAULT_DATA}"
        if name in local_models():
            package = open_model(name)
            self.network, self.weights = load_package(package), name
            self.config = replace(package.config, input_size=SIDE)
        else:
            torch.manual_seed(0)
            self.network = create(self.variant, num_classes=CLASSES).eval()
            classes = tuple(f"class {index}" for index in range(CLASSES))
            self.config = ModelConfig(self.variant, "random", classes, SIDE, CIFAR10_NORMALIZATION, "0" * 64)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one image, from the registry."""
        return info(self.variant).multiply_adds

    def least_bytes(self, images: int) -> int:
        """Bytes that a batch must read and write: weights once, pixels and outputs."""
        with torch.inference_mode():
            answers = AnswerTuple(self.network)(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8))
        weights = sum(parameter.nbytes for parameter in self.network.parameters())
        return weights + images * (3 * SIDE**2 + sum(answer.nbytes for answer in answers))

    def on_device(self) -> Network:
        """A copy of the network on the device, in channels-last format, PyTorch's fastest."""
        return copy.deepcopy(self.network).to(self.device).to(memory_format=torch.channels_last)

    def write_plain(self) -> None:
        """Export the network in the usual way."""
        with self._writing("plain") as file:
            onnx.save(to_onnx(AnswerTuple(copy.deepcopy(self.network)), self.network.outputs, SIDE), file)

    def write_ours(
        self, precision: Precision, scales: Pixels | None = None, progress: Callable[[str], None] = lambda part: None
    ) -> None:
        """Export the network as by `zoo export`; `scales` are images for quantisation to 8 bits."""
        with self._writing(precision) as file:
            export_network(self.network, self.config, file, precision, scales, progress)

    def try_ours(self, precision: Precision, scales: Pixels, progress: Callable[[str], None]) -> None:
        """The same, but record a failure in `failed`, so that other files can still be measured."""
        try:
            self.write_ours(precision, scales, progress)
        except Exception as error:  # any failure is reported
            self.failed[precision] = f"the export failed: {type(error).__name__}: {error}"

    def write_ordinary(self) -> None:
        """Export the timm network of similar cost."""
        self.ordinary = nearest(self.multiply_adds)
        torch.manual_seed(0)
        network = OrdinaryNetwork(self.ordinary.name).eval()
        with self._writing("ordinary") as file:
            onnx.save(to_onnx(network, [LOGITS], self.ordinary.side), file)

    @contextmanager
    def _writing(self, kind: str) -> Iterator[Path]:
        file = self.folder / f"{self.variant}.{kind}.onnx"
        started = time.perf_counter()
        yield file
        seconds = time.perf_counter() - started
        nodes = len(onnx.load(file).graph.node)
        self.files[kind] = Written(file, round(seconds, 2), nodes, file.stat().st_size, sha256(file))


def warm_exporter() -> None:
    """Export a network of one layer, so that the first timed export does not include imports."""

    class Least(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 1)

        def forward(self, pixels: Tensor) -> tuple[Tensor]:
            return (self.conv(pixels.float()),)

    to_onnx(Least().eval(), [LOGITS], SIDE)


def coloured_squares() -> Pixels:
    """Reproducible images [SQUARES, 3, SIDE, SIDE] of a square on a background of another colour."""
    random = np.random.default_rng(0)
    pixels = np.empty((SQUARES, 3, SIDE, SIDE), dtype=np.uint8)
    for image in pixels:
        ground, colour = random.integers(0, 256, (2, 3, 1, 1), dtype=np.uint8)
        (top, left), side = random.integers(0, SIDE // 2, 2), random.integers(4, SIDE // 2)
        image[:] = ground
        image[:, top : top + side, left : left + side] = colour
    return pixels
