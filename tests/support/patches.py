"""Indices of patches with shares that a test chooses."""

from pathlib import Path

import numpy as np
import torch

from training.data.images import LabelledImages
from zoo.outputs import Array
from zoo.search.image_index import Header, ImageIndex
from zoo.search.patches import roots_of
from zoo.search.thumbnails import thumbnail_of_pixels
from zoo.search.write import writing_index

CLASSES = ("airplane", "bird", "cat", "dog")


def labelled(rows: int, columns: int, labels: list[int]) -> LabelledImages:
    """Images whose pixels are all of the image's number, with 4 x 4 pixels a cell."""
    pixels = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4 * rows, 4 * columns)
    return LabelledImages(pixels.contiguous(), torch.tensor(labels), CLASSES)


def write_index(folder: Path, shares: Array, labels: list[int] | None = None) -> ImageIndex:
    """An index of shares [N, h, w, 5] of four classes and `none`."""
    count, rows, columns, _ = shares.shape
    images = labelled(rows, columns, labels if labels is not None else [0] * count)
    header = Header("patches", "wrn16-ours.tests", "ab" * 32, "tests, test", (0, rows, columns, 5), CLASSES)
    with writing_index(folder, header) as writer:
        for number, (own, label) in enumerate(zip(shares, images.labels.tolist(), strict=True)):
            writer.add(f"test/{number:05}", roots_of(own), thumbnail_of_pixels(images.pixels(number)), label)
    return ImageIndex.open(folder)


def mixed(*shares: float) -> Array:
    return np.array(shares, np.float32)
