"""Labelled images held in memory, as a tensor of pixels."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.source import EncodedFiles
from zoo.images.preprocess import Normalization, Pixels

EVALUATION_BATCH = 100


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """One split of a data set."""

    images: Tensor
    """[N, 3, S, S], uint8."""
    labels: Tensor
    """[N], int64."""
    classes: tuple[str, ...]
    files: EncodedFiles | None = None
    """Files of the images, in the same order; None if they are not known."""

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self.images.shape[-1]

    def digest(self) -> str:
        """Short digest of pixels, labels and class names, which identifies a data set."""
        content = hashlib.sha256(repr(self.classes).encode())
        content.update(self.images.numpy().data)
        content.update(self.labels.numpy().data)
        return content.hexdigest()[:16]

    def normalization(self) -> Normalization:
        """Mean and standard deviation of each channel over all pixels in 0..1, to four decimals."""
        histogram = torch.zeros(3, 256, dtype=torch.int64)
        # In parts, as the integers to be counted take several times the images' memory.
        for part in torch.split(self.images, 1000):
            for channel in range(3):
                histogram[channel] += torch.bincount(part[:, channel].flatten().int(), minlength=256)
        return normalization_of(histogram)

    def pixels(self, index: int) -> Pixels:
        """One image, [3, S, S], uint8."""
        return self.images[index].numpy()

    def where(self, index: int) -> str:
        """Location of an image's file, or its number where the file is not known."""
        return f"image {index}" if self.files is None else self.files.where(index)

    def batches(self, part: slice = slice(None)) -> Iterator[tuple[Pixels, NDArray[np.int64]]]:
        """Pixels [B, 3, S, S] and labels [B], in order, for evaluation.

        Arguments:
            part: part of the images; `slice(rank, None, world)` divides them among processes.
        """
        images, labels = self.images.numpy()[part], self.labels.numpy()[part]
        for start in range(0, len(labels), EVALUATION_BATCH):
            chosen = slice(start, start + EVALUATION_BATCH)
            yield np.ascontiguousarray(images[chosen]), labels[chosen]


def normalization_of(histogram: Tensor) -> Normalization:
    """Mean and standard deviation of each channel to four decimals, from a histogram [3, 256] of pixel values."""
    mean, std = [], []
    values = torch.arange(256, dtype=torch.float64) / 255
    for counts in histogram.double():
        share = counts / counts.sum()
        average = (share * values).sum()
        mean.append(round(float(average), 4))
        std.append(round(float((share * (values - average) ** 2).sum().sqrt()), 4))
    return Normalization(mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]))
