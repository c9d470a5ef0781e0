"""Exact nearest neighbours by cosine: a matrix product in parts, and the largest products of each. No torch."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageIndexError, InputError
from zoo.outputs import Array

PART_NUMBERS = 2**24
"""Numbers of a part of the vectors, or of its products, that are in memory at once: 64 MiB in single precision."""

Indices = NDArray[np.int64]


class Neighbours(NamedTuple):
    """The K nearest images of each of Q queries, the nearest first."""

    images: Indices
    """[Q, K]"""
    cosines: Array
    """[Q, K], of the images, or of the nearest patch of each."""


def unit(vectors: NDArray[Any], what: str = "vector") -> Array:
    """Vectors [..., D] in single precision, scaled to length 1; a vector of zeros stays, with cosine 0 to all others.

    Raises:
        InputError: a number is infinite or not a number; names the vector.
    """
    rows = np.asarray(vectors, np.float32)
    largest = np.abs(rows).max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        bad = int(np.flatnonzero(~np.isfinite(largest))[0])
        raise InputError(f"{what} {bad} has numbers that are infinite or not a number; check the weights of the model")
    # By the largest number first, as the squares of large numbers are infinite.
    rows = np.asarray(rows / np.where(largest == 0, 1, largest), np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1), np.float32)


def nearest(vectors: NDArray[Any], queries: Array, count: int) -> Neighbours:
    """Images whose vectors have the largest cosine with each query; equal ones in their order.

    Arguments:
        vectors: of the images, [N, D], or of their patches, [N, ..., D], of which the nearest one of each image counts;
            of length 1, perhaps memory-mapped, and read once. Those in half precision are scaled to length 1 again.
        queries: [Q, D], of length 1.
        count: K; fewer if there are fewer images.

    Raises:
        ImageIndexError: a vector has numbers that are infinite or not a number.
    """
    images, cosines = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    for start, part in parts(vectors, len(queries)):
        products = (part.reshape(-1, part.shape[-1]) @ queries.T).T
        # One per image.
        products = products.reshape(len(queries), len(part), -1).max(axis=2)
        check_finite(products, start)
        chosen = _largest(products, count)
        images = np.concatenate([images, start + chosen], axis=1)
        cosines = np.concatenate([cosines, np.take_along_axis(products, chosen, axis=1)], axis=1)
    order = np.lexsort((images, -cosines), axis=1)[:, :count]
    found = np.take_along_axis(cosines, order, axis=1)
    return Neighbours(np.take_along_axis(images, order, axis=1), np.clip(found, -1, 1))


def parts(vectors: NDArray[Any], queries: int = 1) -> Iterator[tuple[int, Array]]:
    """Index of the first image, and vectors in single precision, of each part of the images.

    Arguments:
        vectors: [N, ..., D].
        queries: number of queries that each part is multiplied by.
    """
    single = vectors.dtype == np.float32
    patches = int(np.prod(vectors.shape[1:-1]))
    size = max(PART_NUMBERS // (patches * max(queries, 1 if single else vectors.shape[-1])), 1)
    for start in range(0, len(vectors), size):
        part = np.asarray(vectors[start : start + size])
        yield start, part if single else unit(part)


def check_finite(products: Array, start: int) -> None:
    """Refuse products [..., n] with the vectors of the images from `start` on that are not numbers.

    Raises:
        ImageIndexError: a vector has numbers that are infinite or not a number.
    """
    if not np.isfinite(products).all():
        bad = start + int(np.argwhere(~np.isfinite(products))[0, -1])
        raise ImageIndexError(
            f"the vector of image {bad} of the index has numbers that are infinite or not a number; make the index "
            "again with `zoo index`"
        )


def _largest(products: Array, count: int) -> Indices:
    """Indices of the `count` largest entries of each row, in any order."""
    if count >= products.shape[1]:
        return np.broadcast_to(np.arange(products.shape[1]), products.shape).copy()
    return np.argpartition(products, products.shape[1] - count, axis=1)[:, -count:].astype(np.int64)
