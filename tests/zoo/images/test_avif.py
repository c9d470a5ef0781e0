import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.images import encode
from support.whole_images import whole

from zoo.errors import ImageError, ImageTooLargeError
from zoo.images.avif import coded_sizes
from zoo.images.decode import decode

SIZE = (96, 64)
IMAGE = Image.linear_gradient("L").resize(SIZE).convert("RGB")


def restated(data: bytes, width: int, height: int) -> bytes:
    """A file whose header states another size than that of its coded image."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_size_of_an_image(mode: str) -> None:
    assert set(coded_sizes(encode(IMAGE.convert(mode), "AVIF", speed=10))) == {SIZE}


def test_the_size_of_an_animation() -> None:
    frames = [IMAGE.rotate(180), IMAGE]
    data = encode(IMAGE, "AVIF", speed=10, save_all=True, append_images=frames)
    assert list(coded_sizes(data)) == [SIZE, SIZE]  # of the still image and of the track
    without_still = data.replace(b"iloc", b"free", 1)
    assert list(coded_sizes(without_still)) == [SIZE]


def test_a_small_header_hides_no_large_image() -> None:
    data = restated(encode(IMAGE, "AVIF", speed=10), 8, 8)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (8, 8)
    assert decode(data).size == (8, 8)
    with pytest.raises(ImageTooLargeError, match="coded image of 96 x 64 pixels, above the limit of 6143"):
        decode(data, max_pixels=96 * 64 - 1)


def test_items_that_overlap() -> None:
    """Such a small file could take hours to look through."""
    data = encode(IMAGE, "AVIF", speed=10)
    place = data.index(b"iloc")
    entry = place + 12
    size = 2 + 2 + 2 + 8
    assert data[place + 8] == 0x44
    many = data[entry : entry + size] * 1000
    count = struct.pack(">H", 1000)
    moved = data[: place + 10] + count + many + data[entry + size :]
    grown = len(many) - size
    for box in (b"meta", b"iloc"):
        start = moved.index(box) - 4
        length = int.from_bytes(moved[start : start + 4]) + grown
        moved = moved[:start] + length.to_bytes(4) + moved[start + 4 :]
    with pytest.raises(ValueError, match="overlap"):
        list(coded_sizes(moved + bytes(1)))


@given(st.sampled_from(whole("AVIF")), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=8))
def test_damaged_files_end(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(data)] = value
    try:
        for width, height in coded_sizes(bytes(damaged)):
            assert width > 0
            assert height > 0
    except (ValueError, struct.error):
        with pytest.raises(ImageError):
            decode(bytes(damaged))
