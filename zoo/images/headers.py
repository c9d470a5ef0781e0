"""Limits on file headers that Pillow does not check before it allocates memory or spends time."""

import struct

from zoo.errors import ImageError, ImageTooLargeError
from zoo.images.avif import coded_sizes

MAX_TIFF_VALUES = 2**18
"""Maximum number of values of a TIFF field, such as the offsets of strips; Pillow makes an object of each."""

MAX_RLE_BYTES = 2**20
"""Size limit of a run-length encoded BMP file, which Pillow decodes in Python, slowly and without other threads."""

_RLE = (1, 2)
_BYTE_TYPES = (1, 2, 6, 7)
"""Types of TIFF fields whose values are bytes, of which Pillow makes one object."""
_SHORT, _LONG, _LONG8 = 3, 4, 16
_TILE_WIDTH, _TILE_LENGTH = 322, 323


def check_header(data: bytes, kind: str, max_pixels: int) -> None:
    """Check the header of a file.

    Arguments:
        data: the whole file.
        kind: name of its format in `zoo.images.formats.FORMATS`.
        max_pixels: limit on width x height, here of the tiles of a TIFF file and of what an AVIF file has coded.

    Raises:
        ImageTooLargeError: it exceeds a limit.
        ImageError: it is truncated.
    """
    try:
        if kind == "TIFF":
            _check_tiff(data, max_pixels)
        elif kind == "BMP":
            _check_bmp(data)
        elif kind == "AVIF":
            _check_avif(data, max_pixels)
    except ImageError:
        raise
    except (struct.error, ValueError):
        raise ImageError(f"the {kind} image is truncated or damaged; send the whole file") from None


def _check_avif(data: bytes, max_pixels: int) -> None:
    for width, height in coded_sizes(data):
        if width * height > max_pixels:
            raise ImageTooLargeError(
                f"the AVIF file has a coded image of {width} x {height} pixels, above the limit of {max_pixels}; scale "
                "it down"
            )


def _check_bmp(data: bytes) -> None:
    header_size = int.from_bytes(data[14:18], "little")
    compression = struct.unpack_from("<I", data, 30)[0] if header_size >= 40 else 0
    if compression in _RLE and len(data) > MAX_RLE_BYTES:
        raise ImageTooLargeError(
            f"the run-length encoded BMP file has {len(data)} bytes, above the limit of {MAX_RLE_BYTES}; convert it"
        )


def _check_tiff(data: bytes, max_pixels: int) -> None:
    """Check the first directory of a TIFF file (TIFF 6.0, section 2; BigTIFF has larger counts and offsets)."""
    order = "<" if data.startswith(b"II") else ">"
    big = b"+" in data[2:4]
    offset, count, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    (start,) = struct.unpack_from(order + offset, data, 8 if big else 4)
    (fields,) = struct.unpack_from(order + count, data, start)
    place = start + struct.calcsize(order + count)
    tile = {_TILE_WIDTH: 0, _TILE_LENGTH: 0}
    for _ in range(fields):
        tag, type_, values = struct.unpack_from(order + entry, data, place)
        place += struct.calcsize(order + entry)
        if type_ not in _BYTE_TYPES and values > MAX_TIFF_VALUES:
            raise ImageTooLargeError(
                f"field {tag} of the TIFF file has {values} values, above the limit of {MAX_TIFF_VALUES}; save it with "
                "larger strips or tiles"
            )
        if tag in tile:
            number = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}.get(type_, offset)
            (tile[tag],) = struct.unpack_from(order + number, data, place)
        place += struct.calcsize(order + offset)
    if tile[_TILE_WIDTH] * tile[_TILE_LENGTH] > max_pixels:
        raise ImageTooLargeError(
            f"the tiles of the TIFF file are {tile[_TILE_WIDTH]} x {tile[_TILE_LENGTH]} pixels, above the limit of "
            f"{max_pixels}; save it with smaller tiles"
        )
