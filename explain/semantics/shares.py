"""Assignments of the patches of an index, of which it holds the square roots."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zoo.outputs import Array
from zoo.search.image_index import ImageIndex

CHUNK = 500
"""Number of images whose shares are in memory at once."""


def share_chunks(index: ImageIndex) -> Iterator[tuple[int, Array]]:
    """Index of the first image, and shares [n, h * w, C + 1] in single precision that sum to 1, of each chunk."""
    for start in range(0, len(index), CHUNK):
        part = index.vectors[start : start + CHUNK]
        yield start, shares_of(part.reshape(len(part), -1, part.shape[-1]))


def shares_of(roots: NDArray[np.float16]) -> Array:
    """Shares [..., C + 1] in single precision that sum to 1, of their square roots."""
    shares = roots.astype(np.float32) ** 2
    return shares / shares.sum(axis=-1, keepdims=True)
