"""Conversion of images in any form to the pixels that a network expects."""

from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo.errors import InputError
from zoo.images.decode import decode_pixels, read_pixels
from zoo.images.preprocess import image_of_array, require_shares, to_pixels

ImageLike = str | PathLike[str] | bytes | Image.Image | NDArray[Any] | Tensor
"""An image file or its bytes, a Pillow image, an array [H, W, 3], or pixels [3, H, W]."""

_ONE = (str, PathLike, bytes, Image.Image, np.ndarray, Tensor)


def make_pixels(images: ImageLike | Iterable[ImageLike], size: int) -> Tensor:
    """Pixels [N, 3, H, W] of one image or several; see `zoo.networks.network.Network.pixels`.

    Raises:
        ImageError: a file cannot be read, or is not an image.
        InputError: an array has another shape or type, or values out of range; there is no image; or images that keep
            their size and type differ in it.
    """
    if size < 1:
        raise InputError(f"size = {size}: must be at least 1")
    if isinstance(images, _ONE):
        return _pixels(images, size)
    if not isinstance(images, Iterable):
        raise InputError(f"expected an image or several, got {type(images).__name__}")
    parts = [_pixels(image, size) for image in images]
    if not parts:
        raise InputError("expected an image or several, got an empty list")
    first = parts[0]
    for index, part in enumerate(parts):
        if (part.dtype, part.shape[1:]) != (first.dtype, first.shape[1:]):
            raise InputError(
                f"image {index} has pixels {_form(part)}, but image 0 {_form(first)}; give tensors of one size and "
                "type, or files, Pillow images or arrays [H, W, 3], which are scaled"
            )
    return torch.cat(parts)


def _pixels(image: ImageLike, size: int) -> Tensor:
    if isinstance(image, np.ndarray):
        channels = image.shape[-1] if image.ndim in (3, 4) else 0
        if image.ndim == 2 or (image.ndim == 3 and channels in (1, 3, 4)):
            return _scaled(image_of_array(image), size)
        if image.ndim == 4 and channels in (1, 3, 4) and len(image):
            return torch.cat([_scaled(image_of_array(one), size) for one in image])
        if image.dtype.kind not in "uif":
            raise InputError(f"expected an array of numbers, got {image.dtype}")
        image = torch.from_numpy(np.array(image))  # a copy, which may be reversed or read-only
    if isinstance(image, Tensor):
        return _validate(image if image.dim() == 4 else image[None])
    if isinstance(image, Image.Image):
        return _scaled(image, size)
    if isinstance(image, (str, PathLike, bytes)):
        square = decode_pixels(image, size) if isinstance(image, bytes) else read_pixels(image, size)
        return torch.from_numpy(square.pixels)[None]
    raise InputError(f"expected an image (path, bytes, Pillow image, array or tensor), got {type(image).__name__}")


def _scaled(image: Image.Image, size: int) -> Tensor:
    return torch.from_numpy(to_pixels(image, size)[0])[None]


def _validate(pixels: Tensor) -> Tensor:
    """Pixels [N, 3, H, W], uint8, or floating point in 0..1.

    Raises:
        InputError: they have another shape or type, or values out of range.
    """
    if pixels.dim() != 4 or pixels.shape[1] != 3 or not pixels.numel():
        raise InputError(f"expected pixels of shape [3, H, W] or [N, 3, H, W], got {list(pixels.shape)}")
    if pixels.dtype == torch.uint8:
        return pixels
    if not pixels.is_floating_point():
        raise InputError(f"expected uint8 pixels in 0..255 or floating-point pixels in 0..1, got {pixels.dtype}")
    low, high = (float(bound) for bound in pixels.aminmax())
    require_shares(low, high)
    return pixels


def _form(pixels: Tensor) -> str:
    return f"{list(pixels.shape[1:])} of {pixels.dtype}"
