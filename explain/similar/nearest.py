"""Exact nearest-neighbour search for patches by assignment."""

from typing import NamedTuple

import numpy as np

from explain.similar.index import PatchIndex
from zoo.outputs import Array


class Match(NamedTuple):
    """Matching patch of an index."""

    image: int
    row: int
    column: int
    distance: float
    """Hellinger distance, from 0 (equal shares) to 1 (no classes in common)."""

    @property
    def place(self) -> tuple[int, int]:
        return self.row, self.column


def nearest(index: PatchIndex, queries: Array, count: int) -> list[list[Match]]:
    """Nearest patches for each query, in ascending order of distance, at most one per image.

    Arguments:
        index: index to search, read once, in chunks.
        queries: shares, [Q, C + 1].
        count: number of patches per query; fewer if the index has fewer images.
    """
    roots = np.sqrt(queries / queries.sum(axis=1, keepdims=True)).astype(np.float32)
    # Best patch of each image for each query.
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
