"""The same images for all trainers: arrays in memory, and a folder of PNG files for timm."""

from pathlib import Path

import numpy as np
from PIL import Image

from training.data.data_set import open_split


def write_images(source: str, folder: Path, count: int, size: int) -> None:
    """Write `images.npz`, and `train/CLASS/NUMBER.png`, with `count` images; a smaller data set is repeated.

    Arguments:
        source: data set, as for `zoo train --data`.
        folder: output folder.
        count: number of images.
        size: side of the images in pixels.
    """
    images = open_split(source, "train")
    labels = np.array([int(images.labels[index % len(images)]) for index in range(count)])
    pixels = np.stack([images.pixels(index % len(images), size) for index in range(count)])
    for name in images.classes:
        (folder / "train" / name).mkdir(parents=True)
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        file = folder / "train" / images.classes[label] / f"{index:06}.png"
        Image.fromarray(image.transpose(1, 2, 0)).save(file)
    np.savez(folder / "images.npz", pixels=pixels, labels=labels, classes=images.classes)
