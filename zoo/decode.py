"""From a file's bytes to a picture: hostile, broken and unusual files included. Nothing here imports torch."""

import io
import struct

import numpy as np
from PIL import Image, UnidentifiedImageError

from zoo.errors import ImageError, ImageTooLargeError, UnsupportedImageError
from zoo.preprocess import as_rgb

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
"""The only formats whose decoders ever see a byte."""

MAX_PIXELS = 50_000_000
"""Default limit on width x height, from the header."""


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture in RGB, upright.

    EXIF orientation is applied; transparency is laid over white; 16-bit channels keep their upper 8 bits; of an
    animation the first frame counts.

    Arguments:
        data: the whole file.
        max_pixels: limit on width x height, checked on the header before anything is decoded.

    Raises:
        UnsupportedImageError: not a file of one of `FORMATS`.
        ImageTooLargeError: more pixels than the limit.
        ImageError: empty, truncated or damaged.
    """
    if not data:
        raise ImageError("the file is empty (0 bytes); send a picture")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnsupportedImageError(
            f"the file is not a picture in one of the formats {', '.join(FORMATS)} ({len(data)} bytes); convert it"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Pillow's own limit of 179 megapixels, for a program that did not change it.
        limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))
        raise ImageTooLargeError(f"the picture is above the limit of {limit} pixels; scale it down") from None
    except _DAMAGED as error:
        raise ImageError(f"the picture is damaged: {error}") from None
    if image.width * image.height > max_pixels:
        raise ImageTooLargeError(
            f"the picture is {image.width} x {image.height} = {image.width * image.height} pixels, "
            f"above the limit of {max_pixels}; scale it down"
        )
    try:
        image.load()
        return _to_rgb(_upright(image))
    except _DAMAGED as error:
        raise ImageError(f"the picture is truncated or damaged: {error}; send the whole file") from None


_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, MemoryError)
"""What Pillow's decoders raise on damaged files."""


_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image) -> Image.Image:
    # Not `ImageOps.exif_transpose`: it writes the EXIF block anew, and fails where a field has an odd type.
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit grey at 255; its upper byte is the picture.
        grey = (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        page = Image.new("RGB", layer.size, "white")
        page.paste(layer, mask=layer)
        return page
    return as_rgb(image)
