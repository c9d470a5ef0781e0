"""Groups of images that are nearly the same: by products of blocks of their vectors, never of all at once. No torch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.outputs import Array
from zoo.search.nearest import check_finite

BLOCK = 1024
"""Rows and columns of a product: 4 MiB in single precision, which stay in the processor's cache."""


class Duplicates(NamedTuple):
    """Images of which each is like another one of the group."""

    images: tuple[int, ...]
    """In their order."""
    cosines: tuple[float, ...]
    """Of each image and the one of the others that it is most like."""


def find_duplicates(
    vectors: Array, threshold: float, progress: Callable[[int], None] = lambda done: None
) -> list[Duplicates]:
    """Groups of images whose vectors have at least a cosine: the connected components of all such pairs.

    Any two images of a group are joined by a chain of such pairs, and may themselves be further apart. (All pairs
    instead would be half a million for a group of a thousand copies.)

    Arguments:
        vectors: [N, D], of length 1, perhaps memory-mapped.
        threshold: smallest cosine of a pair, from -1 to 1.
        progress: called with the number of images done.

    Returns:
        Groups of at least two images, the largest first.

    Raises:
        ImageIndexError: a vector has numbers that are infinite or not a number.
    """
    count = len(vectors)
    parent, best = np.arange(count), np.full(count, -1, np.float32)
    for top in range(0, count, BLOCK):
        rows = vectors[top : top + BLOCK]
        for left in range(top, count, BLOCK):
            products = rows @ vectors[left : left + BLOCK].T
            check_finite(products, left)
            if left == top:
                np.fill_diagonal(products, -np.inf)
            for part, largest in (
                (slice(top, top + BLOCK), products.max(1)),
                (slice(left, left + BLOCK), products.max(0)),
            ):
                np.maximum(best[part], largest, out=best[part])
            _join(parent, products >= threshold, top, left)
        progress(min(top + BLOCK, count))
    roots = _roots(parent, np.arange(count))
    order = np.argsort(roots, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
    groups = [
        Duplicates(tuple(own.tolist()), tuple(np.clip(best[own], -1, 1).tolist())) for own in members if len(own) > 1
    ]
    return sorted(groups, key=lambda group: -len(group.images))


def _join(parent: NDArray[np.int64], alike: NDArray[np.bool_], top: int, left: int) -> None:
    """Join the components of all pairs of a block; the root of a component is its first image."""
    for row in np.flatnonzero(alike.any(axis=1)).tolist():
        members = np.append(left + np.flatnonzero(alike[row]), top + row)
        roots = _roots(parent, members)
        parent[roots] = parent[members] = roots.min()


def _roots(parent: NDArray[np.int64], members: NDArray[Any]) -> NDArray[np.int64]:
    found = parent[members]
    while not np.array_equal(found, above := parent[found]):
        found = above
    return found
