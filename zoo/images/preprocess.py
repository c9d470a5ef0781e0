"""Preprocessing: conversion of images to RGB over white, and scaling of the centre square.

Shared by training, export and the server. Nothing here imports torch.
"""

import io
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from zoo.errors import ImageError, InputError

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


_GREY_MAXIMUM = {"L;2": 3, "L;4": 15, "L": 255}
"""Largest grey value of a PNG file by Pillow's raw mode; Pillow scales all of them to 0..255."""


def to_rgb(image: Image.Image) -> Image.Image:
    """An image in RGB, with transparency over white and the upper 8 bits of 16-bit channels; no copy if already so.

    Transparency comes from an alpha channel, a palette or a transparent colour (`image.info`).

    Raises:
        ImageError: its values are floating-point numbers outside 0..1.
    """
    image = load_image(image)
    if image.mode == "La":  # Pillow's only conversion from it
        image = image.convert("LA")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or (image.mode == "P" and image.has_transparency_data):
        layer = image.convert("RGBA")
        page = Image.new("RGB", layer.size, "white")
        page.paste(layer, mask=layer)
        return page
    if "transparency" not in image.info:
        return _opaque(image)
    transparent, image = _transparent(image), image.copy()
    del image.info["transparency"]  # Pillow would convert it, too, and fail or warn for modes without it
    page = _opaque(image)
    if transparent is not None:
        page.paste("white", mask=Image.fromarray(transparent))
    return page


def load_image(image: Image.Image) -> Image.Image:
    """Load an image with the transparency that its file declares.

    Pillow itself compares the transparent colour of a PNG file with values already scaled or cut to 8 bits, and paints
    the area that the first frame of a GIF file leaves uncovered. An image that is already loaded is not changed.
    """
    if not (isinstance(image, ImageFile) and image.tile):
        image.load()
        return image
    _, extents, _, raw_mode = image.tile[0]
    key = image.info.get("transparency")
    if image.format == "PNG" and raw_mode == "RGB;16B" and key is not None:
        return _with_16_bit_key(image, key)
    image.load()
    if image.format == "PNG" and raw_mode in _GREY_MAXIMUM and key is not None:
        maximum = _GREY_MAXIMUM[raw_mode]
        image.info["transparency"] = (key & maximum) * (255 // maximum)
    if image.format == "GIF" and extents and extents != (0, 0, *image.size):
        return _only_within(image, extents)
    return image


def _with_16_bit_key(image: ImageFile, key: tuple[int, int, int]) -> Image.Image:
    """A 16-bit RGB PNG file, reduced to 8 bits and with its transparent colour as an alpha channel."""
    assert image.fp is not None
    position = image.fp.tell()
    image.fp.seek(0)
    again = Image.open(io.BytesIO(image.fp.read()), formats=("PNG",))
    image.fp.seek(position)
    # Read in the opposite byte order, each value is cut to its lower half.
    again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]
    upper, lower = np.asarray(image), np.asarray(again)
    values = upper.astype(np.uint16) << 8 | lower
    alpha = np.where((values == key).all(axis=-1), 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([upper, alpha]))


def _only_within(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """An image that is transparent outside of a box."""
    layer = Image.new("RGBA", image.size)
    layer.paste(image.convert("RGBA").crop(box), box)
    return layer


def _transparent(image: Image.Image) -> NDArray[np.bool_] | None:
    """Mask [height, width] of the transparent colour of an image without alpha; None if it has none."""
    key: Any = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and len(key) == 3:
        # Pillow kept the upper 8 of 16 bits.
        key = [value >> 8 for value in key] if max(key) > 255 else key
        return (np.asarray(image) == key).all(axis=-1)
    if not isinstance(key, int):
        return None
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L")) == key
    return np.asarray(image) == key if image.mode.startswith("I") else None


def _opaque(image: Image.Image) -> Image.Image:
    """An image in RGB, ignoring transparency; no copy if already RGB, since the image may be large."""
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        return Image.fromarray((255 * _shares(image)).round().astype(np.uint8)).convert("RGB")
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit grey at 255; the upper byte holds the image.
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _shares(image: Image.Image) -> NDArray[np.float32]:
    """Values of a floating-point image, checked to be in 0..1."""
    values = np.asarray(image)
    if not ((values >= 0) & (values <= 1)).all():
        raise ImageError(
            f"the image has floating-point values from {values.min():g} to {values.max():g}; scale them to 0..1, "
            "or convert it to 8 bits"
        )
    return values
