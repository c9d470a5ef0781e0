"""Indices of images with vectors that a test chooses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.outputs import Array
from zoo.search.image_index import Header, ImageIndex
from zoo.search.thumbnails import thumbnail_of_pixels
from zoo.search.write import writing_index


def write_images(
    folder: Path,
    vectors: Array,
    weights_sha256: str = "ab" * 32,
    labels: Sequence[int] = (),
    model: str = "wrn16-ours.cifar10",
) -> ImageIndex:
    """An index of vectors [N, D], whose images all have the colour of their number; labels are cat and dog."""
    header = Header("images", model, weights_sha256, "tests", (0, vectors.shape[1]), ("cat", "dog"))
    with writing_index(folder, header) as writer:
        for number, vector in enumerate(vectors):
            pixels = np.full((3, 32, 32), number % 256, np.uint8)
            label = labels[number] if labels else -1
            writer.add(f"photos/{number:02}.png", vector, thumbnail_of_pixels(pixels), label)
    return ImageIndex.open(folder)
