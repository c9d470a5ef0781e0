"""A folder of images without splits, and model directories that say they were trained on it."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from support.images import encode, write_files

from training.data.data_set import data_digest, data_set_name, open_split
from zoo.files import write_json
from zoo.package import METRICS_FILE, Package

CLASSES = ("cat", "dog")
IMAGES = 40
HELD_OUT = 4


def write_plain_folder(root: Path) -> Path:
    """`IMAGES` images of noise, half of them of each of two classes."""
    noise = np.random.default_rng(0)
    files = {
        f"{name}/{number}.png": encode(Image.fromarray(noise.integers(low, low + 150, (32, 32, 3), np.uint8)))
        for name, low in zip(CLASSES, (0, 100), strict=True)
        for number in range(IMAGES // len(CLASSES))
    }
    return Path(write_files(root, files))


def say_trained_on(package: Package, folder: Path, **changes: Any) -> Package:
    """Let a model directory say that it was trained on a folder, of which a tenth was held out."""
    training = {"data": data_set_name(str(folder)), "images": IMAGES - HELD_OUT, "recipe": {}, "minutes": 1}
    training |= {"machine": {"device": "CPU"}, "torch": "2", "weights_sha256": package.config.weights_sha256}
    training |= {"held_out": 0.1, "data_digest": data_digest(open_split(str(folder), "train"))}
    write_json(package.path / METRICS_FILE, {"training": training | changes})
    return Package.open(package.path)
