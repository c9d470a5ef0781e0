"""What `zoo speed` measured for a model: the content of `speed.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import ConfigDict, TypeAdapter, with_config

from zoo.files import read_json, sha256, write_json
from zoo.package import SPEED_FILE, Package
from zoo.runtime import Precision


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one machine computed an ONNX file."""

    onnx_sha256: str
    device: str
    """What computed, for people to read."""
    processor: str
    threads: int
    """Of the CPU."""
    onnxruntime: str
    seconds: Mapping[int, float]
    """Median time of a batch, by the number of pictures in it."""


def read_speed(package: Package) -> dict[Precision, Speed]:
    """By precision, of the ONNX files that are there: what was measured of others says nothing about them.

    Raises:
        PackageError: `speed.json` is not valid.
    """
    file, remedy = package.path / SPEED_FILE, "remove it, or run `zoo speed` again"
    found = read_json(file, _adapter, "is not a record of `zoo speed`", remedy) or {}
    return {
        precision: speed
        for precision, speed in found.items()
        if (onnx := package.onnx(precision)) and sha256(onnx) == speed.onnx_sha256
    }


def write_speed(package: Package, found: Mapping[Precision, Speed]) -> None:
    """Into a model directory."""
    write_json(package.path / SPEED_FILE, {precision: asdict(speed) for precision, speed in found.items()})


_adapter = TypeAdapter(dict[Precision, Speed])
