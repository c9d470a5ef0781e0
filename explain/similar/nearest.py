"""Exact search for the patches whose assignment is most like a given one."""

from typing import NamedTuple

import numpy as np

from explain.similar.index import PatchIndex
from zoo.outputs import Array


class Match(NamedTuple):
    """A patch of an index."""

    image: int
    row: int
    column: int
    distance: float
    """Hellinger's, 0 (the same shares) to 1 (no class in common)."""

    @property
    def place(self) -> tuple[int, int]:
        return self.row, self.column


def nearest(index: PatchIndex, queries: Array, count: int) -> list[list[Match]]:
    """The `count` nearest patches for each query, nearest first, at most one per image.

    Arguments:
        index: read once, in parts.
        queries: shares [Q, C + 1].
        count: number of patches; the index may have fewer images.
    """
    roots = np.sqrt(queries / queries.sum(axis=1, keepdims=True)).astype(np.float32)
    # The best patch of each image for each query.
    best = np.empty((len(index), len(queries)), np.float32)
    cells = np.empty((len(index), len(queries)), np.int32)
    for start, shares in index.chunks():
        products = np.sqrt(shares) @ roots.T
        part = slice(start, start + len(shares))
        cells[part] = products.argmax(axis=1)
        best[part] = products.max(axis=1)
    order = np.argsort(-best, axis=0, kind="stable")[:count]
    return [
        [_match(index, int(image), int(cells[image, query]), float(best[image, query])) for image in order[:, query]]
        for query in range(len(queries))
    ]


def _match(index: PatchIndex, image: int, cell: int, product: float) -> Match:
    row, column = divmod(cell, index.grid[1])
    return Match(image, row, column, float(np.sqrt(max(1 - product, 0))))
