"""Model directories, as written by training, completed by export, read by the server and stored on the Hub. No torch.

model.safetensors   weights
config.json         the model's identity: `ModelConfig`
metrics.json        the training run, and measured accuracy
README.md           the model card, generated
model.onnx          optional, from `zoo export`; model.fp16.onnx, model.int8.onnx: the same at lower precision
parity.json         optional, from `zoo verify`
speed.json          optional, from `zoo speed`
map.png             optional, from `zoo patches`: a photograph overlaid with its semantic map, for the card
entities.json       optional, from `zoo semantics --record`: recurring mixtures of classes, named in answers
probe.json          optional, from `zoo probe --record`: whether the network uses its semantic block
pooling.json        optional, from `zoo probe --record`: what generalised sum pooling does by leaving patches out
slack.json          optional, from `zoo slack --record`: whether `none` marks background
serving.json        optional, from `zoo tune`
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from zoo.errors import DigestError, PackageError, reading_problem, reason_of
from zoo.files import invalid_fields, json_text, sha256
from zoo.images.preprocess import Normalization
from zoo.registry import MAX_POOLING_GAMMA, MAX_TEMPLATES, POOLING_GAMMA, AssignmentName, PoolingName, info
from zoo.runtime import Execution, Precision

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.json"
CARD_FILE = "README.md"
PARITY_FILE = "parity.json"
SPEED_FILE = "speed.json"
MAP_FILE = "map.png"
ENTITIES_FILE = "entities.json"
PROBE_FILE = "probe.json"
SLACK_FILE = "slack.json"
POOLING_FILE = "pooling.json"
SERVING_FILE = "serving.json"

ONNX_FILES: Mapping[Precision, str] = MappingProxyType(
    {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}
)

ANSWERING_FILES = (CONFIG_FILE, WEIGHTS_FILE, *ONNX_FILES.values(), ENTITIES_FILE)
"""Files that determine a model's outputs."""

PUBLISHED_FILES = (
    *ANSWERING_FILES,
    *(METRICS_FILE, PARITY_FILE, PROBE_FILE, POOLING_FILE, SLACK_FILE, SPEED_FILE, MAP_FILE, CARD_FILE),
)
"""Files stored on the Hub: all but `serving.json`, which is specific to one machine."""

NETWORK_FILES = (CONFIG_FILE, WEIGHTS_FILE)
"""Files from which a network is loaded in Python."""

FORMAT_VERSION = 2
"""Format version of `config.json` and the weights file. Version 1, never released, had class vectors that networks
learned to ignore, and no normalisation among the weights."""

MIN_INPUT_SIZE, MAX_INPUT_SIZE = 32, 4096
MAX_CLASSES = 100_000


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Identity of a model: variant, data set and weights."""

    variant: str
    data: str
    """Short name of the data set."""
    classes: tuple[str, ...]
    input_size: int
    """Height and width of the training images in pixels."""
    normalization: Normalization
    weights_sha256: str
    """Digest of `model.safetensors`, in hexadecimal."""
    assignment: AssignmentName = "softmax"
    templates: int = 1
    """Templates per class."""
    pooling: PoolingName = "gap"
    kept_mass: float = 1.0
    """Share of an image's patches that the pooling keeps: 1 for `gap`, less for `gsp`."""
    pooling_gamma: float = POOLING_GAMMA
    """gamma of `gsp`; the default for `gap`."""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes: expected at least two distinct names, got {list(self.classes)}")
        if len(self.classes) > MAX_CLASSES:
            raise ValueError(f"classes: expected at most {MAX_CLASSES:,}, got {len(self.classes):,}")
        if not MIN_INPUT_SIZE <= self.input_size <= MAX_INPUT_SIZE:
            raise ValueError(f"input_size = {self.input_size}: must be from {MIN_INPUT_SIZE} to {MAX_INPUT_SIZE}")
        if not 1 <= self.templates <= MAX_TEMPLATES:
            raise ValueError(f"templates = {self.templates}: must be from 1 to {MAX_TEMPLATES}")
        if not 0 < self.kept_mass <= 1 or (self.kept_mass == 1) != (self.pooling == "gap"):
            raise ValueError(
                f"kept_mass = {self.kept_mass} with pooling = {self.pooling}: must be 1 for gap, and above 0 and below "
                "1 for gsp"
            )
        if not 0 < self.pooling_gamma <= MAX_POOLING_GAMMA:
            raise ValueError(f"pooling_gamma = {self.pooling_gamma}: must be above 0 and at most {MAX_POOLING_GAMMA:g}")
        # It is part of folders' and repositories' names.
        if not re.fullmatch(r"[\w.-]{1,96}", self.data):
            raise ValueError(
                f"data = {self.data[:96]!r}: expected up to 96 letters, digits, dots, underscores and hyphens"
            )

    @property
    def name(self) -> str:
        """`variant.data`, the name of the model and of its directory."""
        return f"{self.variant}.{self.data}"

    @property
    def parameters(self) -> int:
        """Number of trainable parameters.

        Raises:
            UnknownNameError: the variant is unknown.
        """
        return info(self.variant).parameters(len(self.classes), self.templates, self.pooling)

    def identity(self) -> dict[str, str]:
        """Fields that identify the model and its weights in answers."""
        return {
            "name": self.name,
            "variant": self.variant,
            "data": self.data,
            "weights_sha256": self.weights_sha256,
        }

    def to_json(self) -> str:
        return json_text(asdict(self))

    @staticmethod
    def from_json(text: str | bytes, where: str = CONFIG_FILE) -> "ModelConfig":
        """Read and check a configuration.

        Raises:
            PackageError: it is not JSON, a field is missing, unknown or of the wrong type, or it has another format
                version; names the field.
        """
        try:
            _require_format_version(text, where)
            return _config_adapter.validate_json(text)
        except ValidationError as error:
            raise PackageError(f"{where} is not a model configuration: {'; '.join(invalid_fields(error))}") from None


def _require_format_version(text: str | bytes, where: str) -> None:
    """Refuse a configuration of another format version, before its fields are validated.

    Raises:
        ValidationError: it is not a JSON object.
        PackageError: it has another version; version 1 was not numbered.
    """
    values = _object_adapter.validate_json(text)
    found = values.get("format_version", 1)
    if found == FORMAT_VERSION or "variant" not in values:
        return
    if found == 1:
        raise PackageError(
            f"{where} has format version 1, from before the first release: its semantic block was ignored by the "
            f"network around it, and its normalisation was not part of the weights. This zoo reads version "
            f"{FORMAT_VERSION}: train the model again with `zoo train`, or fetch a released one"
        )
    raise PackageError(
        f"{where} has format version {found!r}, but this zoo reads version {FORMAT_VERSION}; install the version of "
        "template-zoo that wrote it"
    )


_config_adapter = TypeAdapter(ModelConfig)
_object_adapter = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Package:
    """An existing model directory with a valid configuration."""

    path: Path
    config: ModelConfig

    @staticmethod
    def open(path: Path) -> "Package":
        """Open a model directory.

        Raises:
            PackageError: it does not exist, or has no valid `config.json`.
        """
        file = path / CONFIG_FILE
        try:
            text = file.read_bytes()
        except OSError as error:
            raise PackageError(_problem(path, error)) from None
        return Package(path, ModelConfig.from_json(text, str(file)))

    def onnx(self, precision: Precision = "fp32") -> Path | None:
        """The ONNX file, if there is one."""
        file = self.path / ONNX_FILES[precision]
        return file if file.is_file() else None

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Precisions for which there is an ONNX file."""
        return tuple(precision for precision in ONNX_FILES if self.onnx(precision))

    def metrics(self) -> dict[str, Any]:
        """Content of `metrics.json`; empty if there is none."""
        return self._read_json(METRICS_FILE)

    def parity(self) -> dict[str, Any]:
        """Content of `parity.json`, by execution and provider; empty if there is none."""
        return self._read_json(PARITY_FILE)

    def verified_sha256(self, execution: Execution) -> str | None:
        """SHA-256 digest of the ONNX file that `parity.json` was written for; None if there is no record.

        Raises:
            PackageError: it is not a record of `zoo verify`.
        """
        try:
            digests = {record["onnx_sha256"] for record in self.parity().get(execution, {}).values()}
            [digest] = digests or {None}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise PackageError(
                f"{self.path / PARITY_FILE} is not a record of `zoo verify`; remove it, and verify the model again"
            ) from None
        return digest

    def verified_against(self, execution: Execution) -> set[str | None]:
        """Digests of the weights that `zoo verify` compared the ONNX file with; None for a record without one."""
        return {record.get("weights_sha256") for record in self.parity().get(execution, {}).values()}

    def verification_failed(self, execution: Execution) -> bool:
        """Whether any record of `zoo verify` for an execution of the ONNX file is not a pass."""
        return any(record.get("passed") is not True for record in self.parity().get(execution, {}).values())

    def agreement(self, execution: Execution) -> float | None:
        """Recorded share of images with the same most probable class as PyTorch, 0..1; None if there is no record."""
        records = self.parity().get(execution, {}).values()
        return next((record["agreement"]["logits"] for record in records if "agreement" in record), None)

    def weights(self) -> Path:
        """Path of the weights file, with its digest checked.

        Raises:
            PackageError: it is missing.
            DigestError: it does not have the digest in `config.json`.
        """
        file = self.path / WEIGHTS_FILE
        if not file.is_file():
            raise PackageError(f"{self.path} has no {WEIGHTS_FILE}; fetch or copy the model directory as a whole")
        digest = sha256(file)
        if digest != self.config.weights_sha256:
            raise DigestError(
                f"{file} has SHA-256 {digest}, but {CONFIG_FILE} says {self.config.weights_sha256}; "
                "the file is damaged or was replaced: fetch the model directory again"
            )
        return file

    def _read_json(self, name: str) -> dict[str, Any]:
        file = self.path / name
        if not file.is_file():
            return {}
        try:
            value = json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise PackageError(f"{file} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise PackageError(f"{file} is not a JSON object")
        return value


def _problem(path: Path, error: OSError) -> str:
    """Why a model directory has no readable `config.json`, with the remedy."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return reading_problem(path / CONFIG_FILE, error)
    if not path.exists():
        return (
            f"there is no folder {path}; check the path of the model directory, or name a Hub repository as "
            "hf-hub:ORG/NAME"
        )
    inner = path / "model"
    if (inner / CONFIG_FILE).exists():
        remedy = f"did you mean {inner}?"
    else:
        remedy = "give the folder model/ of a run, or one that `zoo.save` wrote"
    return f"{path} is not a model directory: {CONFIG_FILE}: {reason_of(error, '')}; {remedy}"


def serving_files(precisions: Iterable[Precision]) -> tuple[str, ...]:
    """Files of a model directory that a server needs."""
    return (CONFIG_FILE, METRICS_FILE, PARITY_FILE, ENTITIES_FILE, *(ONNX_FILES[precision] for precision in precisions))
