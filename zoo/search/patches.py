"""Patches as vectors: the square roots of their assignment, whose cosine says how alike they are. No torch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zoo.cutouts import Place
from zoo.errors import InputError
from zoo.outputs import Array
from zoo.predictors import Prediction
from zoo.registry import info
from zoo.search.image_index import ImageIndex
from zoo.search.nearest import nearest, unit


class Match(NamedTuple):
    """Patch of an index that is like another."""

    image: int
    row: int
    column: int
    distance: float
    """Hellinger distance, from 0 (equal shares) to 1 (no classes in common)."""

    @property
    def place(self) -> Place:
        return self.row, self.column


def require_block(variant: str) -> None:
    """Raise `InputError` unless a variant has a semantic block."""
    if not info(variant).has_block:
        raise InputError(
            f"{variant} has no semantic block, and thus no assignment to compare patches by; choose a variant with a "
            "block, such as wrn16-ours"
        )


def roots_of(shares: Array) -> Array:
    """Vectors of length 1 of shares [..., C + 1] that need not sum to 1: their square roots."""
    return unit(np.sqrt(shares))


def patch_vectors(prediction: Prediction) -> Array:
    """Vectors [N, h, w, C + 1] of the patches of N images, for a model with a semantic block."""
    assert prediction.assignment is not None
    return roots_of(prediction.assignment.transpose(0, 2, 3, 1))


def nearest_patches(index: ImageIndex, shares: Array, count: int) -> list[list[Match]]:
    """Patches of an index that are nearest to each of Q queries, the nearest first, at most one per image.

    Their distance is the Hellinger distance, which falls as the cosine of the vectors rises.

    Arguments:
        index: index of patches.
        shares: of the queries, [Q, C + 1].
        count: number of patches per query; fewer if the index has fewer images.
    """
    queries = roots_of(shares)
    images = nearest(index.vectors, queries, count).images.tolist()
    return [[_match(index, image, query) for image in own] for query, own in zip(queries, images, strict=True)]


def nearest_cell(index: ImageIndex, image: int, query: Array) -> tuple[Place, float]:
    """Row and column of the patch of an image that is nearest to a query [C + 1], and its cosine."""
    products = unit(index.vectors[image]) @ query
    row, column = divmod(int(products.argmax()), index.grid[1])
    return (row, column), float(products.max())


def _match(index: ImageIndex, image: int, query: Array) -> Match:
    (row, column), cosine = nearest_cell(index, image, query)
    return Match(image, row, column, float(np.sqrt(max(1 - cosine, 0))))


def check_place(place: Sequence[int], grid: Sequence[int]) -> None:
    """Raise `InputError` unless the row and column of a patch are in a grid."""
    (row, column), (rows, columns) = place, grid
    if not (0 <= row < rows and 0 <= column < columns):
        raise InputError(
            f"--patch {row},{column}: outside the grid of {rows} rows and {columns} columns; choose a patch from 0,0 "
            f"(top left) to {rows - 1},{columns - 1}"
        )
