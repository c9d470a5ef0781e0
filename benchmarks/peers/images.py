"""The same images for all trainers: arrays, and a folder of PNG files for timm."""

from pathlib import Path

import numpy as np
from PIL import Image

from training.data.data_set import open_split


def write_images(source: str, folder: Path, count: int, size: int, files: bool) -> None:
    """Write `images.npz` with `count` images; a smaller data set is repeated.

    Arguments:
        source: data set, as for `zoo train --data`.
        folder: output folder.
        count: number of images.
        size: side of the images in pixels.
        files: whether to write them also as `train/CLASS/NUMBER.png`.
    """
    images = open_split(source, "train")
    chosen = np.arange(count) % len(images)
    labels = images.labels.numpy()[chosen]
    different = np.stack([images.pixels(index, size) for index in range(min(count, len(images)))])
    pixels = different[chosen]
    for name in images.classes if files else ():
        (folder / "train" / name).mkdir(parents=True)
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True) if files else ()):
        file = folder / "train" / images.classes[label] / f"{index:06}.png"
        Image.fromarray(image.transpose(1, 2, 0)).save(file)
    np.savez(folder / "images.npz", pixels=pixels, labels=labels, classes=images.classes)
