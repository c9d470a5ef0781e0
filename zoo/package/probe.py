"""Results of `zoo probe`, the content of `probe.json`: whether the network uses its semantic block.

The criterion by which a block counts as used is defined here, for the card, `zoo reproduce` and `make release`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from zoo.errors import PackageError
from zoo.files import read_json, sha256, write_json
from zoo.package import PROBE_FILE, Package
from zoo.package.metrics import ONNX, Count, Percent
from zoo.registry import info

Intervention = Literal["silenced", "mean", "swapped", "true class", "wrong class"]
"""Replacement of every patch's assignment: no match, the mean over images, that of another image, the image's label
alone, or another class alone."""

INTERVENTIONS: Mapping[Intervention, str] = MappingProxyType(
    {
        "silenced": "no match everywhere",
        "mean": "its mean over all images",
        "swapped": "that of another image",
        "true class": "the image's label everywhere",
        "wrong class": "another class everywhere",
    }
)

Interval = tuple[float, float, float]
"""A value with the bounds of its 95% interval."""

MIN_ERRORS_REMOVED = 20.0
"""Percentage of errors that must disappear when the block is given the true class, for it to count as used."""

MIN_SWAPPED_CHANGES = 3.0
"""Percentage of predictions that must change when the block is given the assignment of another image."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Effect:
    """Effect of an intervention on the predictions."""

    accuracy: Percent
    difference: Interval
    """Accuracy minus that of the unchanged network, in percentage points, paired by image."""
    changed: Interval
    """Percentage of the images whose predicted class changes."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Probe:
    """Probe of one file of a model."""

    data: str
    split: str
    images: Count
    seed: int
    digest: str
    """SHA-256 of the probed ONNX file or weights."""
    accuracy: Percent
    """Accuracy of the unchanged network."""
    effects: Mapping[Intervention, Effect]
    errors_removed: Interval
    """Percentage of the errors that disappear when the block is given the true class."""
    none: Mapping[Literal["lowest", "median", "mean", "highest"], float]
    """Share of `none` over all patches, in 0..1."""
    between_images: Annotated[float, Field(ge=0, le=1)]
    """Share of the assignment's variance that lies between images; at 1, a map has no more information than one label
    per image."""
    one_class: Percent
    """Percentage of the images whose patches all have the same strongest class."""
    strength: float | None = None
    """Ratio of the mixture's standard deviation to that of the features it joins; None for an ONNX file."""
    cosine_to_start: float | None = None
    """Cosine similarity of the class vectors and their random initialisation; None if that is not known."""

    @property
    def used(self) -> bool:
        """Whether the network uses its block."""
        swapped = self.effects["swapped"].changed[0]
        return self.errors_removed[0] >= MIN_ERRORS_REMOVED and swapped >= MIN_SWAPPED_CHANGES

    @property
    def verdict(self) -> str:
        """Verdict in one sentence, with the deciding numbers."""
        removed, changed = self.errors_removed[0], self.effects["swapped"].changed[0]
        effect = f"removes {removed:.0f}%" if removed >= 0 else f"adds {-removed:.0f}%"
        return (
            f"the block is {'used' if self.used else 'not used'}: giving it the true class {effect} of the errors "
            f"(at least {MIN_ERRORS_REMOVED:.0f}% required), and giving it another image's assignment changes "
            f"{changed:.1f}% of the predictions (at least {MIN_SWAPPED_CHANGES:.0f}% required)"
        )


def read_probe(package: Package) -> dict[str, Probe]:
    """Probes of the files in a model directory, by `torch` or a key of `zoo.package.metrics.ONNX`.

    Raises:
        PackageError: `probe.json` is not valid.
    """
    return {through: probe for through, probe in _read(package).items() if probe.digest == _digest(package, through)}


def write_probe(package: Package, through: str, probe: Probe) -> None:
    """Add a probe to `probe.json`; those of other files are kept."""
    found = {**_read(package), through: probe}
    write_json(package.path / PROBE_FILE, {name: asdict(one) for name, one in found.items()})


def require_used_block(package: Package) -> None:
    """Refuse a model whose network ignores its semantic block; models without one pass.

    Raises:
        PackageError: the block is ignored, or these weights were not probed.
    """
    if not info(package.config.variant).has_block:
        return
    probe = read_probe(package).get("torch")
    if probe is None:
        raise PackageError(
            f"{package.config.name} was not probed for use of its semantic block; run `zoo probe {package.path} "
            "--record`"
        )
    if not probe.used:
        raise PackageError(f"{package.config.name}: {probe.verdict}; train it differently")


def _read(package: Package) -> dict[str, Probe]:
    file, remedy = package.path / PROBE_FILE, "remove it, or run `zoo probe --record` again"
    return read_json(file, _adapter, "is not a record of `zoo probe`", remedy) or {}


def _digest(package: Package, through: str) -> str | None:
    if through not in ONNX:
        return package.config.weights_sha256
    file = package.onnx(ONNX[through])
    return sha256(file) if file else package.verified_sha256(ONNX[through])


_adapter = TypeAdapter(dict[str, Probe])
