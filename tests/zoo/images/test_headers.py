import struct

import pytest
from PIL import Image
from support.images import encode

from zoo.errors import ImageError, ImageTooLargeError, UnsupportedImageError
from zoo.images.decode import decode
from zoo.images.headers import MAX_RLE_BYTES, MAX_TIFF_VALUES

WIDTH, LENGTH, TILE_WIDTH, TILE_LENGTH, OFFSETS = 256, 257, 322, 323, 273
LONG, BYTES = 4, 7


def tiff(*fields: tuple[int, int, int, int], big: bool = False, order: str = "<") -> bytes:
    """A TIFF file with fields (tag, type, number of values, value) and nothing else."""
    start = {"<": b"II", ">": b"MM"}[order]
    if big:
        entries = b"".join(struct.pack(f"{order}HHQIxxxx", *field) for field in fields)
        return start + struct.pack(f"{order}HHHQQ", 43, 8, 0, 16, len(fields)) + entries + bytes(8)
    entries = b"".join(struct.pack(f"{order}HHII", *field) for field in fields)
    return start + struct.pack(f"{order}HIH", 42, 8, len(fields)) + entries + bytes(4)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_file_with_millions_of_strips(big: bool, order: str) -> None:
    with pytest.raises(ImageTooLargeError, match=f"field {OFFSETS} .* above the limit of {MAX_TIFF_VALUES}"):
        decode(tiff((OFFSETS, LONG, MAX_TIFF_VALUES + 1, 0), big=big, order=order))


@pytest.mark.filterwarnings("ignore:Tag data larger than file:UserWarning")
def test_bytes_of_a_tiff_field_are_one_value() -> None:
    with pytest.raises(UnsupportedImageError):
        decode(tiff((OFFSETS, BYTES, MAX_TIFF_VALUES + 1, 0)))


@pytest.mark.parametrize("big", [False, True])
def test_tiles_are_limited_like_images(big: bool) -> None:
    """Their memory is needed whole, however small the image is."""
    fields = [(WIDTH, LONG, 1, 8), (LENGTH, LONG, 1, 8), (TILE_WIDTH, LONG, 1, 1000), (TILE_LENGTH, LONG, 1, 1001)]
    with pytest.raises(ImageTooLargeError, match="1000 x 1001 pixels, above the limit of 1000000"):
        decode(tiff(*fields, big=big), max_pixels=1_000_000)


@pytest.mark.parametrize("length", [4, 8, 9, 20])
def test_a_tiff_file_that_breaks_off_in_its_header(length: int) -> None:
    with pytest.raises(ImageError, match="truncated or damaged"):
        decode(encode(Image.new("RGB", (4, 4)), "TIFF")[:length])


def rle(width: int, height: int) -> bytes:
    """A run-length encoded BMP file whose runs have one pixel each, all of them 5."""
    palette = b"".join(bytes((index, index, index, 0)) for index in range(256))
    rows = (b"\x01\x05" * width + b"\0\0") * height + b"\0\x01"
    start = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + header + palette + rows


def test_a_run_length_encoded_bmp_file() -> None:
    assert decode(rle(20, 10)).getpixel((3, 3)) == (5, 5, 5)
    with pytest.raises(ImageTooLargeError, match=f"above the limit of {MAX_RLE_BYTES}"):
        decode(rle(1000, 1000))
