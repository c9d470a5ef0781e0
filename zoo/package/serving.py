"""What `zoo tune` found for a model: the content of `serving.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pydantic import ConfigDict, TypeAdapter, with_config

from zoo.files import read_json, write_json
from zoo.machine import cores, processor
from zoo.package import SERVING_FILE, Package
from zoo.runtime import Precision, Runtime


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting that was measured in turn with the best one before it; the choice once more with the defaults."""

    runtime: Runtime
    seconds: Mapping[str, float]
    """Median time of a batch, by the number of pictures in it."""
    against: Mapping[str, float]
    """That of what it was compared with: times that were not taken in the same turns say little about each other."""
    kept: bool
    """Whether it became the best setting; in the end, whether it is served."""
    why: str
    """In words."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Serving:
    """How to compute a model on one machine."""

    precision: Precision = "fp32"
    cores: int = 0
    """Of the machine; 0 where nothing was measured."""
    threads: int = 0
    """That computed; one a core unless another number was asked for."""
    processor: str = ""
    onnxruntime: str = ""
    onnx_sha256: str = ""
    """Of the file that was measured."""
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
        """Of a model directory; the defaults where it has none.

        Raises:
            PackageError: the file is there and not valid.
        """
        file, remedy = package.path / SERVING_FILE, "remove it, or run `zoo tune` again"
        return read_json(file, _adapter, "is not a serving configuration", remedy) or Serving()

    def write(self, package: Package) -> None:
        """Into a model directory."""
        write_json(package.path / SERVING_FILE, asdict(self))


_adapter = TypeAdapter(Serving)
