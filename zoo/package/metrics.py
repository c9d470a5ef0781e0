"""Content of `metrics.json`: training and accuracy of a model, each with the digest of the file it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from zoo.errors import PackageError
from zoo.files import invalid_fields, sha256
from zoo.package import METRICS_FILE, Package
from zoo.runtime import EXECUTIONS, Execution, Precision

ONNX: Mapping[str, Precision] = MappingProxyType({"onnx": "fp32", "onnx-fp16": "fp16", "onnx-int8": "int8"})
"""Keys of a model's ONNX files with ONNX Runtime in `metrics.json`."""

THROUGH: Mapping[str, Execution] = MappingProxyType(
    {**ONNX, **{one: one for one, method in EXECUTIONS.items() if method.engine == "openvino"}}
)
"""Keys of a model's executions in `metrics.json`; the other keys are `torch` and `server`."""

SPLITS = ("test", "held-out", "validation", "train")
"""Splits for which scores can be recorded."""

MEASURED_SPLITS = ("test", "held-out", "validation")
"""Splits whose score may represent the model, in order of preference."""

HELD_OUT_FIRST = ("held-out", "test", "validation")
"""The same for choices that must not depend on the test split."""

DEFAULT_SPLIT = ", else ".join(MEASURED_SPLITS)
"""Split that commands measure by default, for help texts."""

HELD_OUT_SHARE = 0.1
"""Default share of the training images that is held out."""

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Score:
    """Result of an evaluation."""

    images: Count
    accuracy: Percent
    """Top-1, in percent."""
    patch_accuracy: Percent
    """Share of all patches whose strongest class is the image's label, in percent."""
    weights_sha256: str | None = None
    """Digest of the evaluated weights, in PyTorch or in a server."""
    onnx_sha256: str | None = None
    """Digest of the evaluated ONNX file."""
    calibration_error: tuple[float, float, float] | None = None
    """Expected calibration error of the class probabilities in percentage points, with the bounds of its 95% interval;
    None if not measured."""
    class_accuracy: Mapping[str, Percent] | None = None
    """Top-1 in percent by class, for classes that have images; None if not measured."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Machine on which a model was trained, and how."""

    device: str
    threads: int | None = None
    precision: str | None = None
    """Precision in which it was trained; None if it is that of the recipe."""


@dataclass(frozen=True, slots=True)
class DistilledFrom:
    """The teacher of a model."""

    name: str
    """Its name, `variant.data`."""
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Training:
    """How a model was trained."""

    data: str
    images: Count
    recipe: dict[str, Any]
    minutes: Annotated[float, Field(ge=0)]
    machine: Machine
    torch: str
    history: tuple[dict[str, int | float], ...] = ()
    """Metrics on the augmented training images, one entry per epoch; with the prefix `validation_`, on the validation
    split or, if there is none, the held-out images."""
    weights_sha256: str | None = None
    """Digest of the resulting weights."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training split that was held out, the `held-out` split."""
    limit: Count | None = None
    """Limit on the number of training images; None for all."""
    data_digest: str | None = None
    """Digest of the training split before any were held out; with the share, it determines the held-out images."""
    teacher: DistilledFrom | None = None
    """The model whose class probabilities it learned beside the labels."""
    rounded_from_sha256: str | None = None
    """Digest of the weights before `zoo compact` rounded them."""


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """The fields of `metrics.json` that the zoo reads."""

    training: Training | None
    scores: Mapping[str, Mapping[str, Score]]
    """Scores by split, then by runtime: `torch`, `server` or a key of `THROUGH`."""

    @property
    def measured_split(self) -> str:
        """Split whose scores represent the model: the first of `MEASURED_SPLITS` that was measured."""
        return next((split for split in MEASURED_SPLITS if self.scores.get(split)), MEASURED_SPLITS[0])

    @property
    def measured(self) -> Mapping[str, Score]:
        """Scores on that split."""
        return self.scores.get(self.measured_split, {})


def read_metrics(package: Package) -> ModelMetrics:
    """Content of `metrics.json`, including records of other weights or files than those in the model directory.

    Raises:
        PackageError: a field is missing or of the wrong type; names the file and the field.
    """
    found = package.metrics()
    try:
        training = _training.validate_python({"training": found.get("training")})["training"]
        scores = _scores.validate_python({split: found[split] for split in SPLITS if split in found})
    except ValidationError as error:
        raise PackageError(
            f"{package.path / METRICS_FILE} is not a record of `zoo train` and `zoo eval`: {invalid_fields(error)[0]}; "
            "correct it, or remove the file and measure the model again with `zoo eval ... --record`"
        ) from None
    return ModelMetrics(training, scores)


def own_metrics(package: Package) -> ModelMetrics:
    """Records of `metrics.json` that belong to the weights and ONNX files in the model directory.

    Raises:
        PackageError: as for `read_metrics`, or `parity.json` is not valid.
    """
    found = read_metrics(package)
    scores = {
        split: {through: score for through, score in own.items() if is_own_score(package, through, score)}
        for split, own in found.scores.items()
    }
    return ModelMetrics(found.training if is_own_training(package, found.training) else None, scores)


def is_own_training(package: Package, training: Training | None) -> bool:
    """Whether the weights in the model directory result from a training."""
    return training is not None and training.weights_sha256 == package.config.weights_sha256


def is_own_score(package: Package, through: str, score: Score) -> bool:
    """Whether a score belongs to the weights or the ONNX file in the model directory.

    A missing ONNX file is identified by `parity.json`: the same versions of torch, onnx and onnxscript reproduce it.
    """
    weights = package.config.weights_sha256
    if through not in THROUGH:
        return score.weights_sha256 == weights
    execution = THROUGH[through]
    if file := package.onnx(EXECUTIONS[execution].file):
        return score.onnx_sha256 == sha256(file)
    return package.verified_sha256(execution) == score.onnx_sha256 and package.verified_against(execution) == {weights}


def digest_field(through: str) -> str:
    """Field of a score with the digest of the evaluated file."""
    return "onnx_sha256" if through in THROUGH else "weights_sha256"


_training = TypeAdapter(dict[str, Training | None])
_scores = TypeAdapter(dict[str, dict[str, Score]])
