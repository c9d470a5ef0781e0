"""Hierarchical clustering of class vectors, and a test whether two groups of classes separate."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from explain.stats import Floats
from zoo.outputs import Array

CLASS_GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cifar10": {
            "animals": ("bird", "cat", "deer", "dog", "frog", "horse"),
            "vehicles": ("airplane", "automobile", "ship", "truck"),
        }
    }
)
"""Groups of classes that separate according to the paper, by data set."""


class Separation(NamedTuple):
    """Separation of two groups of classes by the distances of their vectors."""

    groups: Mapping[str, tuple[str, ...]]
    within: float
    """Mean cosine distance between classes of the same group."""
    between: float
    """Mean cosine distance between classes of different groups."""
    groupings: int
    """Number of ways to split the classes into groups of these sizes."""
    p: float
    """Share of these, including this one, whose `between - within` is at least as large."""
    first_split: bool
    """Whether the top split of the hierarchy is exactly these two groups."""


class Hierarchy(NamedTuple):
    distances: Floats
    """Cosine distances, [C, C]."""
    linkage: Floats
    """Average linkage, [C - 1, 4], as returned by `scipy.cluster.hierarchy.linkage`."""


def build_hierarchy(vectors: Floats) -> Hierarchy:
    """Cluster vectors [C, d], such as the class vectors."""
    distances = pdist(vectors, "cosine")
    return Hierarchy(squareform(distances), linkage(distances, "average"))


def class_means(features: Array, labels: NDArray[np.int64], classes: int) -> Floats | None:
    """Mean features [C, d] of the patches [M, d] of each class; None if a class has no patches."""
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        return None
    sums = np.zeros((classes, features.shape[1]))
    np.add.at(sums, labels, features)
    return sums / counts[:, None]


def measure_separation(tree: Hierarchy, classes: Sequence[str], groups: Mapping[str, tuple[str, ...]]) -> Separation:
    """Test whether two groups that partition the classes separate, by an exact permutation test over all groupings."""
    [first, _] = groups.values()
    chosen = np.isin(classes, first)
    within, between = group_distances(tree.distances, chosen)
    gaps = []
    for members in combinations(range(len(classes)), len(first)):
        other = group_distances(tree.distances, np.isin(range(len(classes)), members))
        gaps.append(other[1] - other[0])
    p = float(np.mean(np.array(gaps) >= between - within - 1e-12))
    halves = fcluster(tree.linkage, 2, "maxclust") == 1
    return Separation(
        groups, within, between, len(gaps), p, bool((halves == chosen).all() or (halves == ~chosen).all())
    )


def group_distances(distances: Floats, chosen: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean distance within and between two groups of classes.

    Arguments:
        distances: distances of the classes, [C, C].
        chosen: whether a class is in the first group, [C].
    """
    upper = np.triu(np.ones_like(distances, dtype=bool), 1)
    same = chosen[:, None] == chosen[None]
    return float(distances[upper & same].mean()), float(distances[upper & ~same].mean())
