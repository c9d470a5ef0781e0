"""What `metrics.json` says of a model: how it was trained and how good it is, each with the digest of what it is of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from zoo.errors import PackageError
from zoo.files import invalid_fields, sha256
from zoo.package import METRICS_FILE, Package
from zoo.runtime import Precision

ONNX: Mapping[str, Precision] = MappingProxyType({"onnx": "fp32", "onnx-fp16": "fp16", "onnx-int8": "int8"})
"""What the ONNX files of a model are called there; the others are `torch` and `server`."""

SPLITS = ("test", "held-out", "validation", "train")
"""What scores may be of."""

MEASURED_SPLITS = ("test", "held-out", "validation")
"""Splits whose score may stand for the model, best first."""

HELD_OUT_FIRST = ("held-out", "test", "validation")
"""The same for what the test split should not choose."""

DEFAULT_SPLIT = ", else ".join(MEASURED_SPLITS)
"""The split that commands measure unasked, for help texts."""

HELD_OUT_SHARE = 0.1
"""Of the training images: what is held out of training where nothing else is said."""

Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class Score:
    """What an evaluation gave."""

    images: Count
    accuracy: Percent
    """Top-1, in percent."""
    patch_accuracy: Percent
    """Share of all patches whose strongest class is the image's label, in percent."""
    weights_sha256: str | None = None
    """Digest of the weights that answered, in PyTorch or in a server."""
    onnx_sha256: str | None = None
    """Digest of the ONNX file that answered."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run was trained."""

    device: str
    threads: int | None = None


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
    """On the augmented training images, an entry an epoch."""
    weights_sha256: str | None = None
    """Digest of the weights that came of it."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training split that was kept away from training: the `held-out` split."""
    limit: Count | None = None
    """Number of training images that were asked for; None for all."""
    data_digest: str | None = None
    """Digest of the training split, before anything was held out: which images were, follows from it and the share."""
    rounded_from_sha256: str | None = None
    """Digest that they had before `zoo compact` rounded them."""


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """The content of `metrics.json` that the zoo knows."""

    training: Training | None
    scores: Mapping[str, Mapping[str, Score]]
    """By split, then by what answered: `torch`, `server` or a key of `ONNX`."""

    @property
    def measured_split(self) -> str:
        """The split that says how good the model is: the first of `MEASURED_SPLITS` that was measured."""
        return next((split for split in MEASURED_SPLITS if self.scores.get(split)), MEASURED_SPLITS[0])

    @property
    def measured(self) -> Mapping[str, Score]:
        """The scores of that split."""
        return self.scores.get(self.measured_split, {})


def read_metrics(package: Package) -> ModelMetrics:
    """All of it, also what is of other weights or files than the model directory has.

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
    """What is of the very weights and ONNX files of the model directory; what is of others says nothing about them.

    Raises:
        PackageError: as for `read_metrics`, or `parity.json` has another form.
    """
    found = read_metrics(package)
    scores = {
        split: {through: score for through, score in own.items() if is_own_score(package, through, score)}
        for split, own in found.scores.items()
    }
    return ModelMetrics(found.training if is_own_training(package, found.training) else None, scores)


def is_own_training(package: Package, training: Training | None) -> bool:
    """Whether the weights of the model directory came of that training."""
    return training is not None and training.weights_sha256 == package.config.weights_sha256


def is_own_score(package: Package, through: str, score: Score) -> bool:
    """Whether the score is of the weights, or of the ONNX file, of the model directory.

    An ONNX file that is not there is the one that `parity.json` was written for: the same versions of torch, onnx and
    onnxscript export it again.
    """
    weights = package.config.weights_sha256
    if through not in ONNX:
        return score.weights_sha256 == weights
    precision = ONNX[through]
    if file := package.onnx(precision):
        return score.onnx_sha256 == sha256(file)
    return package.verified_sha256(precision) == score.onnx_sha256 and package.verified_against(precision) == {weights}


def digest_field(through: str) -> str:
    """The field of a score that says what it is of."""
    return "onnx_sha256" if through in ONNX else "weights_sha256"


_training = TypeAdapter(dict[str, Training | None])
_scores = TypeAdapter(dict[str, dict[str, Score]])
