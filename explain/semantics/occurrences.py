"""Where the entities of a model occur in a split."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explain.semantics.entities import assign
from explain.semantics.index import PatchIndex
from explain.similar.nearest import Match, nearest
from explain.stats import Estimate, Floats, bootstrap
from zoo.package.entities import Entities


class Occurrences(NamedTuple):
    """Of K entities in a split of N images."""

    nearest: NDArray[np.int16]
    """[N, h * w], the entity of each patch."""
    frequency: tuple[Estimate, ...]
    """[K], share of the patches whose nearest entity it is."""
    by_class: NDArray[np.int64]
    """[K, C], patches by the class of their image."""
    examples: tuple[tuple[Match, ...], ...]
    """[K], the patches nearest to each mixture, one of an image."""


def find_occurrences(index: PatchIndex, entities: Entities, seed: int, examples: int) -> Occurrences:
    """Look for every entity in every patch."""
    assigned = assign(index, entities)
    of_image = np.array([np.bincount(row, minlength=len(entities)) for row in assigned], np.float64)

    def statistic(counts: Floats) -> Floats:
        total: Floats = counts @ of_image
        return total / total.sum()

    frequency = bootstrap(statistic, len(index), seed)
    by_class = np.zeros((len(index.origin.classes), len(entities)), np.int64)
    np.add.at(by_class, index.labels, of_image.astype(np.int64))
    found = nearest(index, entities.mixtures, examples)
    return Occurrences(assigned, tuple(frequency), by_class.T, tuple(map(tuple, found)))
