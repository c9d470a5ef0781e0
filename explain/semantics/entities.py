"""Entities of a model, which are recurring mixtures of classes in its patches, and their occurrences in a split."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from explain.semantics.shares import share_chunks, shares_of
from explain.stats import Estimate, Floats, bootstrap
from zoo.outputs import NONE, Array
from zoo.package.entities import Entities, Entity, FoundOn, Kind
from zoo.search.image_index import ImageIndex
from zoo.search.patches import Match, nearest_patches

CLUSTERS = 64
"""Number of clusters, chosen on training images: enough for rarer mixtures to have their own cluster."""

MAX_PATCHES = 200_000
"""Maximum number of (randomly sampled) patches to cluster; all patches of a split would not fit into memory."""

NONE_SHARE = 0.5
"""Minimum share of `none` in a mixture of kind `none`; the other limits are relative to the remaining share."""
PURE_SHARE = 0.7
"""Minimum share of one class in a `pure` mixture."""
PAIR_SHARE, SECOND_SHARE = 0.75, 0.15
"""Minimum share of two classes together, and of the second one, in a `pair`; other mixtures are `generic`."""

GENERIC_NAMES = 3
"""Number of classes in the name of a generic entity."""

KIND_LABELS: Mapping[Kind, str] = MappingProxyType(
    {"pure": "one class", "pair": "two classes", "generic": "many classes", "none": "no class"}
)


class MixtureKind(NamedTuple):
    """Kind of a mixture, and the classes in its name."""

    kind: Kind
    classes: tuple[int, ...]
    """Class indices in descending order of their shares."""

    def name(self, classes: Sequence[str]) -> str:
        names = [classes[index] for index in self.classes]
        if self.kind == "generic":
            return f"generic: {' '.join(names)}"
        return " + ".join(names) or NONE


def classify_mixture(mixture: Array) -> MixtureKind:
    """Classify a mixture [C + 1], `none` last, by fixed limits."""
    *shares, none = mixture.tolist()
    if none >= NONE_SHARE:
        return MixtureKind("none", ())
    order = np.argsort(-np.array(shares), kind="stable").tolist()
    first, second = (shares[index] / (1 - none) for index in order[:2])
    if first >= PURE_SHARE:
        return MixtureKind("pure", (order[0],))
    if first + second >= PAIR_SHARE and second >= SECOND_SHARE:
        return MixtureKind("pair", (order[0], order[1]))
    return MixtureKind("generic", tuple(order[:GENERIC_NAMES]))


class Occurrences(NamedTuple):
    """Occurrences of K entities in a split of N images."""

    nearest_entity: NDArray[np.int16]
    """Entity of each patch, [N, h * w]."""
    frequency: tuple[Estimate, ...]
    """Share of the patches nearest to each entity, [K]."""
    by_class: NDArray[np.int64]
    """Number of patches by entity and class of the image, [K, C]."""
    examples: tuple[tuple[Match, ...], ...]
    """Patches nearest to each mixture, [K], at most one per image."""


def find_entities(index: ImageIndex, data: str, seed: int, clusters: int = CLUSTERS) -> Entities:
    """Cluster the patches of training images; clusters of the same kind with the same classes are merged.

    Mini-batch k-means (D. Sculley, *Web-scale k-means clustering*, 2010) of the square roots of the shares, whose
    Euclidean distance is proportional to the Hellinger distance of the shares.
    """
    patches = _patches(index, seed)
    means = MiniBatchKMeans(min(clusters, len(patches)), batch_size=4096, n_init=3, random_state=seed)
    members = means.fit_predict(np.sqrt(patches))
    groups: dict[tuple[Kind, frozenset[int]], list[int]] = {}
    for cluster in np.unique(members).tolist():
        found = classify_mixture(patches[members == cluster].mean(axis=0))
        groups.setdefault((found.kind, frozenset(found.classes)), []).append(cluster)
    # The limits define convex sets, so that a merged entity has the same kind as its clusters.
    mixtures = np.array([patches[np.isin(members, own)].mean(axis=0) for own in groups.values()])
    kinds = [_mixture_kind(kind, chosen, mixture) for (kind, chosen), mixture in zip(groups, mixtures, strict=True)]
    names = [one.name(index.header.classes) for one in kinds]
    found_on = FoundOn(data, len(index), index.labels.size * int(np.prod(index.grid)), clusters, seed)
    return _by_frequency(index, names, [one.kind for one in kinds], mixtures, found_on)


def _mixture_kind(kind: Kind, classes: frozenset[int], mixture: Array) -> MixtureKind:
    return MixtureKind(kind, tuple(sorted(classes, key=lambda index: -mixture[index])))


def _by_frequency(
    index: ImageIndex, names: Sequence[str], kinds: Sequence[Kind], mixtures: Array, found_on: FoundOn
) -> Entities:
    def entities(frequencies: Sequence[float]) -> Entities:
        made = [
            Entity(name, kind, round(frequency, 5), tuple(round(share, 5) for share in mixture.tolist()))
            for name, kind, frequency, mixture in zip(names, kinds, frequencies, mixtures, strict=True)
        ]
        made.sort(key=lambda entity: -entity.frequency)
        return Entities(index.header.weights_sha256, index.header.classes, found_on, tuple(made))

    unordered = entities([0.0] * len(names))
    counts = np.bincount(assign_entities(index, unordered).ravel(), minlength=len(names))
    return entities((counts / counts.sum()).tolist())


def assign_entities(index: ImageIndex, entities: Entities) -> NDArray[np.int16]:
    """Nearest entity of every patch, [N, h * w]."""
    chunks = [entities.nearest(shares.transpose(2, 0, 1)) for _, shares in share_chunks(index)]
    return np.concatenate(chunks).astype(np.int16)


def find_occurrences(index: ImageIndex, entities: Entities, seed: int, examples: int) -> Occurrences:
    """Find the nearest entity of every patch, and the nearest patches of every entity."""
    nearest_entity = assign_entities(index, entities)
    of_image = np.array([np.bincount(row, minlength=len(entities)) for row in nearest_entity], np.float64)

    def statistic(counts: Floats) -> Floats:
        total: Floats = counts @ of_image
        return total / total.sum()

    frequency = bootstrap(statistic, len(index), seed)
    by_class = np.zeros((len(index.header.classes), len(entities)), np.int64)
    np.add.at(by_class, index.labels, of_image.astype(np.int64))
    found = nearest_patches(index, entities.mixtures, examples)
    return Occurrences(nearest_entity, tuple(frequency), by_class.T, tuple(map(tuple, found)))


def _patches(index: ImageIndex, seed: int) -> Array:
    """Random sample of at most `MAX_PATCHES` patches, [P, C + 1]."""
    cells = int(np.prod(index.grid))
    total = len(index) * cells
    chosen = np.sort(np.random.default_rng(seed).choice(total, min(total, MAX_PATCHES), replace=False))
    return shares_of(index.vectors.reshape(total, -1)[chosen])
