"""What `zoo probe` found of a model: whether the network uses its semantic block. The content of `probe.json`.

The rule by which a block counts as used is here, once: the card, `zoo reproduce` and `make release` all ask it.
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
"""What every patch's assignment is replaced by: no match, the mean over images, another image's, all of it on the
image's label, or all of it on another class."""

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
"""A value with the ends of its 95% interval."""

MIN_ERRORS_REMOVED = 20.0
"""Percent of a network's errors that must go when its block is told the true class, for the block to count as used."""

MIN_SWAPPED_CHANGES = 3.0
"""Percent of its answers that must change when its block is given the assignment of another image."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Effect:
    """What an intervention does to the answers."""

    accuracy: Percent
    difference: Interval
    """Accuracy less that of the unchanged network, in points, paired image by image."""
    changed: Interval
    """Percent of the images whose class changes."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Probe:
    """The probe of one file of a model."""

    data: str
    split: str
    images: Count
    seed: int
    digest: str
    """SHA-256 of what answered: of the ONNX file, else of the weights."""
    accuracy: Percent
    """Of the unchanged network."""
    effects: Mapping[Intervention, Effect]
    errors_removed: Interval
    """Percent of the errors that go when the block is told the true class."""
    none: Mapping[Literal["lowest", "median", "mean", "highest"], float]
    """The share of `none` over all patches, in 0..1."""
    between_images: Annotated[float, Field(ge=0, le=1)]
    """Share of the assignment's variance that lies between images; at 1 a map says no more than an image's label."""
    one_class: Percent
    """Images whose patches all have the same strongest class."""
    strength: float | None = None
    """Standard deviation of the mixture over that of the features it joins; None where only an ONNX file was seen."""
    cosine_to_start: float | None = None
    """Of the class vectors with their random start; None where that is not known."""

    @property
    def used(self) -> bool:
        """Whether the network uses its block."""
        swapped = self.effects["swapped"].changed[0]
        return self.errors_removed[0] >= MIN_ERRORS_REMOVED and swapped >= MIN_SWAPPED_CHANGES

    @property
    def verdict(self) -> str:
        """One sentence, with the numbers that decide."""
        removed, changed = self.errors_removed[0], self.effects["swapped"].changed[0]
        told = f"{removed:.0f}% of the errors go" if removed >= 0 else f"{-removed:.0f}% more errors are made"
        return (
            f"the block is {'used' if self.used else 'not used'}: told the true class, {told} (at least "
            f"{MIN_ERRORS_REMOVED:.0f}% must go), and with the assignment of another image {changed:.1f}% of the "
            f"answers change (at least {MIN_SWAPPED_CHANGES:.0f}%)"
        )


def read_probe(package: Package) -> dict[str, Probe]:
    """The probes by what answered, `torch` or a key of `zoo.package.metrics.ONNX`: those of the files that are there.

    Raises:
        PackageError: `probe.json` is not valid.
    """
    return {through: probe for through, probe in _read(package).items() if probe.digest == _digest(package, through)}


def write_probe(package: Package, through: str, probe: Probe) -> None:
    """Add a probe to `probe.json`; those of other files stay."""
    found = {**_read(package), through: probe}
    write_json(package.path / PROBE_FILE, {name: asdict(one) for name, one in found.items()})


def require_used_block(package: Package) -> None:
    """Refuse a model whose network ignores its semantic block; models without one pass.

    Raises:
        PackageError: it is ignored, or no probe of these weights says that it is not.
    """
    if not info(package.config.variant).has_block:
        return
    probe = read_probe(package).get("torch")
    if probe is None:
        raise PackageError(
            f"nothing shows that {package.config.name} uses its semantic block; measure it with "
            f"`zoo probe {package.path} --record`"
        )
    if not probe.used:
        raise PackageError(f"{package.config.name}: {probe.verdict}; train it in another way")


def _read(package: Package) -> dict[str, Probe]:
    file, remedy = package.path / PROBE_FILE, "remove it, or run `zoo probe --record` again"
    return read_json(file, _adapter, "is not a record of `zoo probe`", remedy) or {}


def _digest(package: Package, through: str) -> str | None:
    if through not in ONNX:
        return package.config.weights_sha256
    file = package.onnx(ONNX[through])
    return sha256(file) if file else package.verified_sha256(ONNX[through])


_adapter = TypeAdapter(dict[str, Probe])
