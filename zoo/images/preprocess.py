"""Preprocessing: scaling of the centre square of an image to pixels.

Shared by training, export and the server. Nothing here imports torch.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.errors import InputError
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


CROP_AREA = (0.35, 1.0)
"""Smallest and largest share of an image's area in a random crop for training."""


class Box(NamedTuple):
    """A rectangle of an image, in pixels from its top left corner."""

    left: float
    top: float
    right: float
    bottom: float


def centre_square(width: int, height: int) -> Box:
    """Largest centred square of an image, the part that the network sees."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return Box(left, top, left + side, top + side)


def to_pixels(image: Image.Image, size: int) -> tuple[Pixels, Box]:
    """Scale the centred square of an image to `size` x `size` pixels.

    An image of exactly that size is left unchanged.

    Returns:
        Pixels [3, size, size], and the part of the image that they show.
    """
    box = centre_square(image.width, image.height)
    return as_pixels(scale_box(image, box, size)), box


def scale_box(image: Image.Image, box: Box, size: int) -> Image.Image:
    """A part of an image, in RGB, scaled to `size` x `size` pixels: bicubic with antialiasing."""
    return to_rgb(image).resize((size, size), Image.Resampling.BICUBIC, box=box)


def as_pixels(image: Image.Image) -> Pixels:
    """An RGB image as pixels [3, height, width]."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def image_of_array(array: NDArray[Any]) -> Image.Image:
    """A Pillow image of an array [H, W], [H, W, 1], [H, W, 3] or [H, W, 4].

    Raises:
        InputError: it is empty, has another shape, or its numbers are neither uint8 nor floating point in 0..1.
    """
    if not array.size or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"expected an image [H, W] or [H, W, 3], got an array {list(array.shape)}")
    if array.dtype.kind == "f":
        require_shares(float(array.min()), float(array.max()))
        array = (255 * array).round().astype(np.uint8)
    if array.dtype != np.uint8:
        raise InputError(f"expected an array of uint8 in 0..255 or floating point in 0..1, got {array.dtype}")
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def require_shares(low: float, high: float) -> None:
    """Check the smallest and the largest of floating-point pixels.

    Raises:
        InputError: they are not in 0..1.
    """
    if not 0 <= low <= high <= 1:
        raise InputError(f"floating-point pixels from {low:g} to {high:g}: expected 0..1; divide 0..255 by 255")
