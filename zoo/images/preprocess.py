"""From an image to pixels: the one definition that training, export and the server share. No torch here."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.images.rgb import to_rgb

Pixels = NDArray[np.uint8]
"""A batch [N, 3, H, W] or one image [3, H, W], values 0..255, channels red, green, blue."""


@dataclass(frozen=True, slots=True)
class Normalization:
    """Mean and standard deviation of each channel of pixels in 0..1; the network applies it as its first operation."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise ValueError(f"expected finite means and positive deviations, got {self.mean} and {self.std}")


CIFAR10_NORMALIZATION = Normalization(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))


class Box(NamedTuple):
    """A rectangle of an image, in pixels from its top left corner."""

    left: float
    top: float
    right: float
    bottom: float


def centre_square(width: int, height: int) -> Box:
    """The largest centred square of an image: what the network sees of it."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return Box(left, top, left + side, top + side)


def to_pixels(image: Image.Image, size: int) -> tuple[Pixels, Box]:
    """Scale the centred square of an image to `size` x `size` pixels.

    An image of exactly that size passes unchanged.

    Returns:
        Pixels [3, size, size], and the box of the image that they show.
    """
    box = centre_square(image.width, image.height)
    return as_pixels(scale_box(image, box, size)), box


def scale_box(image: Image.Image, box: Box, size: int) -> Image.Image:
    """A part of an image, in RGB, scaled to `size` x `size` pixels: bicubic with antialiasing."""
    return to_rgb(image).resize((size, size), Image.Resampling.BICUBIC, box=box)


def as_pixels(image: Image.Image) -> Pixels:
    """An RGB image as pixels [3, height, width]."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
