"""Entities of a model: recurring mixtures of classes, such as `bird + airplane`, that describe its patches.

`zoo semantics --record` finds them on training images and writes `entities.json` into the model directory; answers
about patches name the nearest one. Nothing here imports torch.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, with_config

from zoo.errors import PackageError
from zoo.files import read_json, write_json
from zoo.outputs import Array
from zoo.package import ENTITIES_FILE, Package

Kind = Literal["pure", "pair", "generic", "none"]
"""One class, two classes, many classes, or the slack; by the limits of `zoo semantics`."""

SUM_TOLERANCE = 0.01
"""Tolerance for the sum of a mixture, whose shares are rounded."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Entity:
    """A recurring mixture of classes."""

    name: str
    """Generated: `cat`, `bird + airplane`, `generic: cat dog deer`, `none`."""
    kind: Kind
    frequency: float
    """Share of the training patches to which this entity is nearest."""
    mixture: tuple[float, ...]
    """[C + 1], the share of each class, `none` last; the shares sum to 1."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class FoundOn:
    """Data on which entities were found."""

    data: str
    images: int
    """Number of training images, chosen by the seed."""
    patches: int
    clusters: int
    """Number of clusters before those of the same name were merged."""
    seed: int


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Entities:
    """The K entities of a model, most frequent first."""

    weights_sha256: str
    """Digest of the model's weights."""
    classes: tuple[str, ...]
    found_on: FoundOn
    entities: tuple[Entity, ...]

    def __post_init__(self) -> None:
        names = [entity.name for entity in self.entities]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"entities: expected at least one, with distinct names, got {names}")
        for entity in self.entities:
            if len(entity.mixture) != len(self.classes) + 1:
                raise ValueError(f"{entity.name}: its mixture has {len(entity.mixture)} shares, expected C + 1")
            if min(entity.mixture) < 0 or abs(sum(entity.mixture) - 1) > SUM_TOLERANCE:
                raise ValueError(f"{entity.name}: its mixture is not a distribution: {list(entity.mixture)}")

    def __len__(self) -> int:
        return len(self.entities)

    @cached_property
    def mixtures(self) -> Array:
        """Mixtures [K, C + 1], `none` last."""
        return np.array([entity.mixture for entity in self.entities], dtype=np.float32)

    @cached_property
    def labels(self) -> tuple[dict[str, str], ...]:
        """Name and kind of each entity, for answers."""
        return tuple({"name": entity.name, "kind": entity.kind} for entity in self.entities)

    def nearest(self, shares: Array) -> NDArray[np.intp]:
        """Entity nearest to each patch by Hellinger distance: indices [...] for shares [C + 1, ...].

        Shares need not sum to 1, since only their proportions matter.
        """
        flat = np.sqrt(shares.reshape(len(shares), -1))
        return (self._roots @ flat).argmax(axis=0).reshape(shares.shape[1:])

    @cached_property
    def _roots(self) -> Array:
        # The largest product of square roots is the smallest distance between the distributions.
        return np.sqrt(self.mixtures / self.mixtures.sum(axis=1, keepdims=True))

    @staticmethod
    def read(package: Package) -> "Entities | None":
        """Entities of a model directory; None if it has none.

        Raises:
            PackageError: `entities.json` is not valid, or was made from other weights or classes.
        """
        file = package.path / ENTITIES_FILE
        again = f"remove it, or find the entities again: zoo semantics --record local-dir:{package.path}"
        entities = read_json(file, _adapter, "is not a list of entities", again)
        if entities is None:
            return None
        if entities.weights_sha256 != package.config.weights_sha256:
            raise PackageError(
                f"{file} was made from weights with SHA-256 {entities.weights_sha256}, but the model's weights have "
                f"{package.config.weights_sha256}; {again}"
            )
        if entities.classes != package.config.classes:
            raise PackageError(f"the classes in {file} are not those of {package.config.name}; {again}")
        return entities

    def write(self, package: Package) -> None:
        """Write `entities.json` into a model directory."""
        write_json(package.path / ENTITIES_FILE, asdict(self))


_adapter = TypeAdapter(Entities)
