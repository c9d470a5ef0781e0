"""Indices of patches with shares that a test chooses."""

from pathlib import Path

import numpy as np
import torch

from explain.similar.index import Origin, PatchIndex
from training.data.images import LabelledImages
from zoo.outputs import Array

CLASSES = ("airplane", "bird", "cat", "dog")


def labelled(rows: int, columns: int, labels: list[int]) -> LabelledImages:
    """Images whose pixels are all of the image's number, with 4 x 4 pixels a cell."""
    pixels = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4 * rows, 4 * columns)
    return LabelledImages(pixels.contiguous(), torch.tensor(labels), CLASSES)


def write_index(folder: Path, shares: Array, labels: list[int] | None = None) -> PatchIndex:
    """An index of shares [N, h, w, 5] of four classes and `none`."""
    count, rows, columns, _ = shares.shape
    images = labelled(rows, columns, labels if labels is not None else [0] * count)
    origin = Origin("wrn16-ours.tests", "ab" * 32, "tests", "test", images.digest(), CLASSES)
    index = PatchIndex.create(folder, origin, images, (rows, columns))
    index.shares[:] = shares
    index.finish()
    return index


def mixed(*shares: float) -> Array:
    return np.array(shares, np.float32)
