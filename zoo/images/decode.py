"""Decoding of image files, including hostile, damaged and unusual ones. Nothing here imports torch."""

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from zoo.errors import ImageError, ImageTooLargeError, InputError, UnsupportedImageError, reading_problem
from zoo.files import read_bounded
from zoo.images.formats import NAMES, enable_decoder, format_of
from zoo.images.headers import check_header
from zoo.images.preprocess import Box, Pixels, as_pixels, centre_square, scale_box
from zoo.images.rgb import load_image, to_rgb

MAX_PIXELS = 50_000_000
"""Default limit on width x height, from the header."""

DRAFT_OVERSAMPLING = 3
"""Minimum ratio of decoded to required size at which a JPEG is decoded at 1/2, 1/4 or 1/8 of its size; for a
photograph this takes a third of the time and changes pixels by less than 0.3 of 255 on average."""


class CentreSquare(NamedTuple):
    """The part of an image that a network sees."""

    pixels: Pixels
    """[3, S, S]"""
    box: Box
    """The part of the upright image that the pixels show."""
    width: int
    height: int
    """Size of the upright image in pixels."""


def decode_pixels(data: bytes, size: int, max_pixels: int = MAX_PIXELS) -> CentreSquare:
    """The centred square of an image file at `size` x `size` pixels.

    Equivalent to `zoo.images.preprocess.to_pixels` of `decode`, except that a large JPEG is decoded at a fraction of
    its size; see `DRAFT_OVERSAMPLING`.

    Raises:
        ImageError: as for `decode`.
    """
    image = _open(data, max_pixels)
    width, height = image.size
    with _damage_as_image_error():
        reduced = image.draft(image.mode, (DRAFT_OVERSAMPLING * size, DRAFT_OVERSAMPLING * size))
        scale = 1.0 if reduced is None else reduced[1][2] / width
        loaded = load_image(image)
        turn = _turn(image)
        # Scaled before it is rotated: the result is the same, with fewer pixels to rotate.
        left, top, right, bottom = (scale * edge for edge in centre_square(width, height))
        square = scale_box(loaded, Box(left, top, right, bottom), size)
        if turn is not None:
            square = square.transpose(turn)
    if turn in _TURNS_ON_THE_SIDE:
        width, height = height, width
    return CentreSquare(as_pixels(square), centre_square(width, height), width, height)


def read_image(file: str | PathLike[str]) -> Image.Image:
    """`decode` for the path of a file.

    Raises:
        ImageError: as for `decode`, or the file cannot be read; names it.
    """
    with naming(file):
        return decode(read_bounded(file))


def read_pixels(file: str | PathLike[str], size: int) -> CentreSquare:
    """`decode_pixels` for the path of a file.

    Raises:
        ImageError: as for `decode`, or the file cannot be read; names it.
    """
    with naming(file):
        return decode_pixels(read_bounded(file), size)


@contextmanager
def naming(file: str | PathLike[str]) -> Iterator[None]:
    """Context manager that turns errors of reading or decoding a file into an `ImageError` that names it."""
    try:
        yield
    except (OSError, ImageError, InputError) as error:
        raise ImageError(reading_problem(os.fspath(file), error)) from None


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of an image file, from its header.

    Raises:
        ImageError: as for `decode`.
    """
    return _open(data, MAX_PIXELS).size


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode an image file to an upright RGB image.

    EXIF orientation is applied; transparency is composited over white; 16-bit channels keep their upper 8 bits; only
    the first frame of an animation is used.

    Arguments:
        data: the whole file.
        max_pixels: limit on width x height, checked on the header before anything is decoded.

    Raises:
        UnsupportedImageError: not in one of `zoo.images.formats.FORMATS`, or in one whose extra is not installed.
        ImageTooLargeError: more pixels than the limit.
        ImageError: empty, truncated or damaged.
    """
    image = _open(data, max_pixels)
    with _damage_as_image_error():
        loaded = load_image(image)
        turn = _turn(image)
        return to_rgb(loaded if turn is None else loaded.transpose(turn))


def _open(data: bytes, max_pixels: int) -> ImageFile:
    """An image whose header was read and whose size is allowed."""
    if not data:
        raise ImageError("the file is empty (0 bytes); replace it by an image")
    kind = format_of(data)
    if kind is None:
        raise UnsupportedImageError(
            f"the file is not an image in one of the formats {NAMES} ({len(data)} bytes); convert it"
        )
    check_header(data, kind.name, max_pixels)
    enable_decoder(kind)
    try:
        image = Image.open(io.BytesIO(data), formats=(kind.pillow_name,))
    except UnidentifiedImageError:
        raise UnsupportedImageError(
            f"the file begins like a {kind.name} image, but its header is damaged or of an unsupported kind "
            f"({len(data)} bytes); convert it"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Pillow's own limit, 179 megapixels unless the program changed it.
        limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))
        raise ImageTooLargeError(f"the image exceeds the limit of {limit} pixels; scale it down") from None
    except _DAMAGED as error:
        raise ImageError(f"the image is damaged: {error}") from None
    if image.width * image.height > max_pixels:
        raise ImageTooLargeError(
            f"the image is {image.width} x {image.height} = {image.width * image.height} pixels, "
            f"above the limit of {max_pixels}; scale it down"
        )
    # The whole file is in memory: one call of the decoder, instead of one per 64 kB, each of which waits for the GIL.
    image.decodermaxblock = len(data)
    return image


@contextmanager
def _damage_as_image_error() -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise ImageError(f"the image is truncated or damaged: {error}; send the whole file") from None


_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, AssertionError, RuntimeError, struct.error,
    MemoryError,
)  # fmt: skip
"""Exceptions that Pillow's decoders raise on damaged files."""


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
_TURNS_ON_THE_SIDE = tuple(_TURNS[orientation] for orientation in (5, 6, 7, 8))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Transposition that makes the image upright."""
    # Not `ImageOps.exif_transpose`, which rewrites the EXIF block and fails on fields of an unexpected type.
    return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
