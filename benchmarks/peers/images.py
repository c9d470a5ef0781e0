"""The same images for every trainer: arrays for those that hold them in memory, and a folder of PNG files for timm."""

import os
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

from zoo.registry import DATA_SETS


def write_images(source: str, folder: Path, count: int, size: int) -> None:
    """Write `images.npz`, and `train/CLASS/NUMBER.png`, with `count` images; a smaller data set is repeated.

    Arguments:
        source: a folder with Parquet files as on the Hub, a name of `zoo.registry.DATA_SETS`, or a Hub data set's id.
        folder: where to.
        count: how many.
        size: their side in pixels.
    """
    rows = _open(source)
    image_column = _one_column(rows, datasets.Image)
    label_column = _one_column(rows, datasets.ClassLabel)
    classes = rows.features[label_column].names
    pixels = np.empty((count, size, size, 3), dtype=np.uint8)
    labels = np.empty(count, dtype=np.int64)
    for name in classes:
        (folder / "train" / name).mkdir(parents=True)
    for index in range(count):
        row = rows[index % len(rows)]
        picture = row[image_column].convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        pixels[index], labels[index] = np.asarray(picture), row[label_column]
        picture.save(folder / "train" / classes[labels[index]] / f"{index:06}.png")
    np.savez(folder / "images.npz", pixels=pixels.transpose(0, 3, 1, 2).copy(), labels=labels, classes=classes)


def _open(source: str) -> datasets.Dataset:
    if not os.path.isdir(source):
        return datasets.load_dataset(DATA_SETS.get(source, source), split="train")
    files = sorted(str(path) for path in Path(source).rglob("train-*.parquet"))
    if not files:
        raise SystemExit(f"the folder {source} has no train-*.parquet file as on the Hub")
    return datasets.load_dataset("parquet", data_files={"train": files}, split="train")


def _one_column(rows: datasets.Dataset, kind: type) -> str:
    names: list[str] = [name for name, feature in rows.features.items() if isinstance(feature, kind)]
    return names[0]
