"""What `zoo tune` found for a model: the content of `serving.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pydantic import TypeAdapter, ValidationError

from zoo.errors import PackageError
from zoo.machine import cores
from zoo.package import SERVING_FILE, Package, write_json
from zoo.runtime import Precision, Runtime


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting that was measured."""

    runtime: Runtime
    seconds: Mapping[str, float]
    """Median time of a batch, by the number of pictures in it."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How to compute a model on one machine."""

    precision: Precision = "fp32"
    cores: int = 0
    """Of the machine; 0 where nothing was measured."""
    processor: str = ""
    onnxruntime: str = ""
    onnx_sha256: str = ""
    """Of the file that was measured."""
    runtime: Runtime = field(default_factory=Runtime)
    trials: tuple[Trial, ...] = field(default=(), repr=False)

    @property
    def fits(self) -> bool:
        """Whether it was measured on a machine with as many cores as this process may use."""
        return self.cores == cores()

    @staticmethod
    def read(package: Package) -> "Serving":
        """Of a model directory; the defaults where it has none.

        Raises:
            PackageError: the file is there and not valid.
        """
        file = package.path / SERVING_FILE
        if not file.is_file():
            return Serving()
        try:
            return _adapter.validate_json(file.read_bytes())
        except ValidationError as error:
            [first, *_] = error.errors()
            raise PackageError(
                f"{file} is not a serving configuration: {'.'.join(map(str, first['loc']))}: {first['msg']}; "
                "remove it, or run `zoo tune` again"
            ) from None

    def write(self, package: Package) -> None:
        """Into a model directory."""
        write_json(package.path / SERVING_FILE, asdict(self))


_adapter = TypeAdapter(Serving)
