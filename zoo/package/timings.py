"""Measured times of a model: `speed.json`, from `zoo speed`, and `serving.json`, from `zoo tune`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field, TypeAdapter, with_config

from zoo.files import read_json, sha256, write_json
from zoo.machine import cores, processor
from zoo.package import SERVING_FILE, SPEED_FILE, Package
from zoo.runtime import EXECUTIONS, Execution, Precision, Runtime


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of an ONNX file on one machine."""

    onnx_sha256: str
    device: str
    """Human-readable name of the device."""
    processor: str
    """Model name of the CPU, or of the GPU on CUDA."""
    threads: int
    """Number of CPU threads."""
    onnxruntime: str
    seconds: Mapping[int, float]
    """Median seconds per batch, by batch size."""
    openvino: str = ""
    """Version of OpenVINO, if it computed."""


def read_speed(package: Package) -> dict[Execution, Speed]:
    """Speed by execution, for the ONNX files of the model directory; measurements of other files are left out.

    Raises:
        PackageError: `speed.json` is not valid.
    """
    file, remedy = package.path / SPEED_FILE, "remove it, or run `zoo speed` again"
    found = read_json(file, _speeds, "is not a record of `zoo speed`", remedy) or {}
    return {
        execution: speed
        for execution, speed in found.items()
        if (onnx := package.onnx(EXECUTIONS[execution].file)) and sha256(onnx) == speed.onnx_sha256
    }


def write_speed(package: Package, found: Mapping[Execution, Speed]) -> None:
    """Write `speed.json` into a model directory."""
    write_json(package.path / SPEED_FILE, {execution: asdict(speed) for execution, speed in found.items()})


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting measured against the best one before it; the last trial compares the choice with the defaults."""

    runtime: Runtime
    seconds: Mapping[str, float]
    """Median seconds per batch, by batch size."""
    against: Mapping[str, float]
    """Times of the setting it was compared with, measured alternately; other times are not comparable."""
    kept: bool
    """Whether it became the best setting; for the last trial, whether it is used."""
    why: str
    """The reason, in words."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Serving:
    """Serving configuration of a model on one machine."""

    execution: Annotated[Execution | None, Field(validation_alias=AliasChoices("execution", "precision"))] = None
    """Engine and precision on the CPU; None if none were chosen. Files of earlier versions name the precision."""
    cores: int = 0
    """Number of the machine's cores; 0 if nothing was measured."""
    threads: int = 0
    """Number of threads, by default one per core."""
    processor: str = ""
    onnxruntime: str = ""
    onnx_sha256: str = ""
    """Digest of the file that was measured."""
    runtime: Runtime = field(default_factory=Runtime)
    trials: tuple[Trial, ...] = field(default=(), repr=False)
    cuda_precision: Precision | None = None
    """Precision on CUDA, where nothing else can be tuned; None for fp16 if there is such a file, otherwise fp32."""
    openvino: str = ""
    """Version of OpenVINO, if it computes."""
    accuracy: float | None = None
    """Recorded top-1 accuracy of the execution, in percent; None if it was not measured."""
    accuracy_gain: float | None = None
    """Accuracy above that of fp32 on the same images, in percentage points."""
    agreement: float | None = None
    """Recorded share of images with the same most probable class as PyTorch, 0..1; None if it was not measured."""

    def fits(self, onnx_sha256: str, threads: int) -> bool:
        """Whether the runtime was measured for this file, processor, and number of cores and threads.

        Arguments:
            onnx_sha256: digest of the ONNX file.
            threads: number of threads, at least 1; the number of cores is that available to this process.
        """
        here = (onnx_sha256, processor(), cores(), threads)
        return (self.onnx_sha256, self.processor, self.cores, self.threads) == here

    @staticmethod
    def read(package: Package) -> "Serving":
        """Serving configuration of a model directory; the defaults if it has none.

        Raises:
            PackageError: the file exists and is not valid.
        """
        file, remedy = package.path / SERVING_FILE, "remove it, or run `zoo tune` again"
        return read_json(file, _serving, "is not a serving configuration", remedy) or Serving()

    def write(self, package: Package) -> None:
        """Write `serving.json` into a model directory."""
        write_json(package.path / SERVING_FILE, asdict(self))


_speeds = TypeAdapter(dict[Execution, Speed])
_serving = TypeAdapter(Serving)
