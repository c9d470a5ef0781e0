"""The same images for every trainer: arrays for those that hold them in memory, and a folder of PNG files for timm."""

from pathlib import Path

import numpy as np
from PIL import Image

from training.data.data_set import open_split


def write_images(source: str, folder: Path, count: int, size: int) -> None:
    """Write `images.npz`, and `train/CLASS/NUMBER.png`, with `count` images; a smaller data set is repeated.

    Arguments:
        source: as `--data` of `zoo train`.
        folder: where to.
        count: how many.
        size: their side in pixels.
    """
    pictures = open_split(source, "train")
    labels = np.array([int(pictures.labels[index % len(pictures)]) for index in range(count)])
    pixels = np.stack([pictures.pixels(index % len(pictures), size) for index in range(count)])
    for name in pictures.classes:
        (folder / "train" / name).mkdir(parents=True)
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        file = folder / "train" / pictures.classes[label] / f"{index:06}.png"
        Image.fromarray(image.transpose(1, 2, 0)).save(file)
    np.savez(folder / "images.npz", pixels=pixels, labels=labels, classes=pictures.classes)
