"""Labelled images in the Hugging Face Hub's Parquet layout, decoded once to a tensor of pixels."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from torch import Tensor

from zoo.decode import decode
from zoo.errors import ImageError, InputError, ZooError
from zoo.preprocess import Normalization, to_pixels
from zoo.registry import DATA_SETS


class DataError(ZooError, ValueError):
    """A data set that cannot be found or has no images and labels."""


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """One split of a data set."""

    images: Tensor
    """[N, 3, S, S], uint8."""
    labels: Tensor
    """[N], int64."""
    classes: tuple[str, ...]

    def digest(self) -> str:
        """A short digest of pixels, labels and class names: what tells one data set from another."""
        content = hashlib.sha256(repr(self.classes).encode())
        content.update(self.images.numpy().data)
        content.update(self.labels.numpy().data)
        return content.hexdigest()[:16]

    def normalization(self) -> Normalization:
        """Mean and standard deviation of each channel over all pixels in 0..1, to four decimals."""
        mean, std = [], []
        for channel in range(3):
            histogram = torch.bincount(self.images[:, channel].flatten().int(), minlength=256).double()
            values = torch.arange(256, dtype=torch.float64) / 255
            share = histogram / histogram.sum()
            average = (share * values).sum()
            mean.append(round(float(average), 4))
            std.append(round(float((share * (values - average) ** 2).sum().sqrt()), 4))
        return Normalization(mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]))


def load_split(source: str, split: str, size: int = 32, limit: int | None = None) -> LabelledImages:
    """Decode one split of a data set.

    Arguments:
        source: a folder of Parquet files, a name of `zoo.registry.DATA_SETS`, or a Hub data set's id.
        split: `train` or `test`.
        size: side of the images in pixels; other sizes are scaled by `zoo.preprocess.to_pixels`.
        limit: only the first so many rows.

    Raises:
        DataError: there is no such data set or split, or it has no image or label column.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit = {limit}: it must be above 0")
    rows = _open(source, split)
    image_column = _one_column(rows, datasets.Image, source)
    label_column = _one_column(rows, datasets.ClassLabel, source)
    if limit is not None:
        rows = rows.select(range(min(limit, len(rows))))
    encoded = rows.select_columns([image_column]).cast_column(image_column, datasets.Image(decode=False))
    pixels = np.empty((len(rows), 3, size, size), dtype=np.uint8)
    for index, row in enumerate(encoded):
        pixels[index] = _decode(row[image_column], size, f"{source}, {split} row {index}")
    labels = torch.tensor(rows.with_format("numpy")[label_column][:], dtype=torch.int64)
    return LabelledImages(torch.from_numpy(pixels), labels, tuple(rows.features[label_column].names))


def data_set_name(source: str) -> str:
    """A short name for a data set: of `cifar10`, `uoft-cs/cifar10` and `/data/cifar10` alike, `cifar10`."""
    return Path(source).name or source


def _open(source: str, split: str) -> datasets.Dataset:
    try:
        if os.path.isdir(source):
            files = sorted(str(path) for path in Path(source).rglob(f"{split}-*.parquet"))
            if not files:
                raise DataError(f"the folder {source} has no {split}-*.parquet file as on the Hub")
            return datasets.load_dataset("parquet", data_files={split: files}, split=split)
        return datasets.load_dataset(DATA_SETS.get(source, source), split=split)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot load the {split} split of {source!r}: {error}. Give a folder of Parquet files, "
            f"a Hub data set's id, or one of {', '.join(DATA_SETS)}"
        ) from error


def _one_column(rows: datasets.Dataset, kind: type, source: str) -> str:
    """The column of a kind; of several label columns, the one with the most classes."""
    names = [name for name, feature in rows.features.items() if isinstance(feature, kind)]
    if not names:
        raise DataError(f"{source} has no {kind.__name__} column; its columns are {', '.join(rows.column_names)}")
    return max(names, key=lambda name: getattr(rows.features[name], "num_classes", 0) or 0)


def _decode(value: Mapping[str, bytes | str | None] | None, size: int, where: str) -> np.ndarray:
    try:
        if value is None:
            raise ImageError("it is null")
        data = value["bytes"] if isinstance(value["bytes"], bytes) else Path(str(value["path"])).read_bytes()
        return to_pixels(decode(data), size)[0]
    except (OSError, ImageError) as error:
        raise DataError(f"{where} is not a readable picture: {error}") from error
