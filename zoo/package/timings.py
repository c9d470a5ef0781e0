"""Measured times of a model: `speed.json`, from `zoo speed`, and `serving.json`, from `zoo tune`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pydantic import ConfigDict, TypeAdapter, with_config

from zoo.files import read_json, sha256, write_json
from zoo.machine import cores, processor
from zoo.package import SERVING_FILE, SPEED_FILE, Package
from zoo.runtime import Precision, Runtime


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one machine computed an ONNX file."""

    onnx_sha256: str
    device: str
    """What computed, for people to read."""
    processor: str
    threads: int
    """Number of CPU threads."""
    onnxruntime: str
    seconds: Mapping[int, float]
    """Median time of a batch, by its number of images."""


def read_speed(package: Package) -> dict[Precision, Speed]:
    """Speed by precision, for the ONNX files of the model directory; measurements of other files are left out.

    Raises:
        PackageError: `speed.json` is not valid.
    """
    file, remedy = package.path / SPEED_FILE, "remove it, or run `zoo speed` again"
    found = read_json(file, _speeds, "is not a record of `zoo speed`", remedy) or {}
    return {
        precision: speed
        for precision, speed in found.items()
        if (onnx := package.onnx(precision)) and sha256(onnx) == speed.onnx_sha256
    }


def write_speed(package: Package, found: Mapping[Precision, Speed]) -> None:
    """Write `speed.json` into a model directory."""
    write_json(package.path / SPEED_FILE, {precision: asdict(speed) for precision, speed in found.items()})


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting measured in turn with the best one before it; the last one is the choice, against the defaults."""

    runtime: Runtime
    seconds: Mapping[str, float]
    """Median time of a batch, by its number of images."""
    against: Mapping[str, float]
    """Times of the setting it was compared with; only times taken in the same turns can be compared."""
    kept: bool
    """Whether it became the best setting; for the last trial, whether it is served."""
    why: str
    """The reason, in words."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Serving:
    """How to compute a model on one machine."""

    precision: Precision = "fp32"
    cores: int = 0
    """Number of the machine's cores; 0 where nothing was measured."""
    threads: int = 0
    """Number of threads that computed; one a core unless another number was asked for."""
    processor: str = ""
    onnxruntime: str = ""
    onnx_sha256: str = ""
    """Digest of the file that was measured."""
    runtime: Runtime = field(default_factory=Runtime)
    trials: tuple[Trial, ...] = field(default=(), repr=False)

    def fits(self, onnx_sha256: str, threads: int) -> bool:
        """Whether the runtime was measured for what is here, this processor too.

        Arguments:
            onnx_sha256: digest of the ONNX file.
            threads: that compute, at least 1; the number of cores is that which this process may use.
        """
        here = (onnx_sha256, processor(), cores(), threads)
        return (self.onnx_sha256, self.processor, self.cores, self.threads) == here

    @staticmethod
    def read(package: Package) -> "Serving":
        """The configuration of a model directory; the defaults where it has none.

        Raises:
            PackageError: the file is there and not valid.
        """
        file, remedy = package.path / SERVING_FILE, "remove it, or run `zoo tune` again"
        return read_json(file, _serving, "is not a serving configuration", remedy) or Serving()

    def write(self, package: Package) -> None:
        """Write `serving.json` into a model directory."""
        write_json(package.path / SERVING_FILE, asdict(self))


_speeds = TypeAdapter(dict[Precision, Speed])
_serving = TypeAdapter(Serving)
