"""Thumbnails of images: the centred square, as a small WebP file."""

import base64
import io

import numpy as np
from PIL import Image

from zoo.images.decode import CentreSquare, decode_pixels
from zoo.images.preprocess import Pixels

SIDE = 64
"""Largest side of a thumbnail, in pixels."""
QUALITY, METHOD = 90, 2
"""A third of the bytes of a JPEG file with the same error, for images of 32 x 32 pixels; slower methods save little."""


def thumbnail_of(data: bytes, square: CentreSquare) -> bytes:
    """Thumbnail of an image file, as a WebP file; an image that is smaller than `SIDE` is not enlarged.

    Arguments:
        data: the image file.
        square: the same image at the network's input size.
    """
    size, side = square.pixels.shape[-1], min(square.width, square.height, SIDE)
    return thumbnail_of_pixels(square.pixels if size >= side else decode_pixels(data, side).pixels, side)


def thumbnail_of_pixels(pixels: Pixels, side: int = SIDE) -> bytes:
    """Thumbnail of pixels [3, S, S], as a WebP file of at most `side` pixels a side."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    if image.width > side:
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=QUALITY, method=METHOD)
    return stream.getvalue()


def webp_uri(webp: bytes) -> str:
    """Data URI of a WebP file."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"
