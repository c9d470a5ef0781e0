import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.images import encode
from support.transparent import SIDE, TRANSPARENT, chunk, halves

from zoo.errors import ImageError
from zoo.images.decode import decode, decode_pixels
from zoo.images.preprocess import to_pixels, to_rgb

BLUE_HALF = halves("RGBA", (200, 0, 0, 0), (0, 0, 255, 255))
ORIENTATION = 0x0112


def rgb(image: Image.Image) -> list[tuple[int, ...]]:
    """Colours of the leftmost and the rightmost pixel, once in RGB."""
    made = to_rgb(image)
    assert made.mode == "RGB"
    return [made.getpixel((x, 0)) for x in (0, image.width - 1)]  # type: ignore[misc]


def keyed(image: Image.Image, key: Any) -> Image.Image:
    image.info["transparency"] = key
    return image


def palette(colours: Sequence[int] = (255, 0, 0, 0, 0, 255), mode: str = "RGB") -> Image.Image:
    """2 x 1, its first colour on the left."""
    image = Image.new("P", (2, 1))
    image.putpalette(colours, mode)
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_every_mode_and_depth_of_a_file_lies_over_white(kind: str) -> None:
    data, expected = TRANSPARENT[kind].data, TRANSPARENT[kind].pixels
    np.testing.assert_array_equal(np.asarray(decode(data)).transpose(2, 0, 1), expected)
    np.testing.assert_array_equal(decode_pixels(data, SIDE).pixels, expected)
    # Opened by Pillow, but not decoded.
    np.testing.assert_array_equal(to_pixels(Image.open(io.BytesIO(data)), SIDE)[0], expected)


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_what_is_in_rgb_stays_as_it_is(kind: str) -> None:
    image = decode(TRANSPARENT[kind].data)
    assert to_rgb(image) is image


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa", "P"])
def test_an_alpha_channel_of_any_mode(mode: str) -> None:
    between = "LA" if mode == "La" else "RGBA"
    image = halves("LA", (7, 0), (0, 51)).convert(between).convert(mode)
    left, right = rgb(image)
    assert left == (255, 255, 255)
    assert right == pytest.approx((204, 204, 204), abs=2)  # premultiplied values are rounded


def test_a_palette_with_alpha() -> None:
    assert rgb(palette([255, 0, 0, 0, 0, 255, 0, 51], "RGBA")) == [(255, 255, 255), (204, 255, 204)]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (keyed(halves("1", 0, 1), 0), [(255, 255, 255), (255, 255, 255)]),
        (keyed(halves("1", 1, 0), 255), [(255, 255, 255), (0, 0, 0)]),
        (keyed(halves("L", 7, 9), 7), [(255, 255, 255), (9, 9, 9)]),
        (
            keyed(Image.fromarray(np.array([[0x1234, 0x1235]], np.uint16)), 0x1234),
            [(255, 255, 255), (0x12, 0x12, 0x12)],
        ),
        (keyed(halves("I", 0x1234, 0x1235), 0x1234), [(255, 255, 255), (0x12, 0x12, 0x12)]),
        (keyed(palette(), b"\0\x33"), [(255, 255, 255), (204, 204, 255)]),
        (keyed(palette(), 0), [(255, 255, 255), (0, 0, 255)]),
        (keyed(halves("RGB", (1, 2, 3), (1, 2, 4)), (1, 2, 3)), [(255, 255, 255), (1, 2, 4)]),
        (keyed(halves("RGB", (1, 2, 3), (1, 2, 4)), (0x102, 0x203, 0x304)), [(255, 255, 255), (1, 2, 4)]),
    ],
)
def test_a_transparent_colour_of_any_mode(image: Image.Image, expected: list[tuple[int, ...]]) -> None:
    before = image.tobytes(), dict(image.info)
    assert rgb(image) == expected
    assert (image.tobytes(), image.info) == before


@pytest.mark.parametrize(
    "image",
    [
        keyed(halves("L", 7, 9), b"\0"),
        keyed(halves("RGB", (7, 7, 7), (9, 9, 9)), 7),
        keyed(halves("CMYK", (0, 0, 0, 248), (0, 0, 0, 246)), 0),
    ],
)
def test_a_transparent_colour_that_the_mode_cannot_have_counts_for_nothing(image: Image.Image) -> None:
    assert rgb(image) == [(7, 7, 7), (9, 9, 9)]


@pytest.mark.parametrize("kind", ["grey, 4 bits", "grey, 16 bits", "RGB, 16 bits"])
def test_a_file_that_is_turned(kind: str) -> None:
    data, expected = TRANSPARENT[kind].data, np.rot90(TRANSPARENT[kind].pixels, -1, axes=(1, 2))
    settings = Image.Exif()
    settings[ORIENTATION] = 6
    after_header = 33
    turned = data[:after_header] + chunk(b"eXIf", settings.tobytes().removeprefix(b"Exif\0\0")) + data[after_header:]
    np.testing.assert_array_equal(decode_pixels(turned, SIDE).pixels, expected)
    np.testing.assert_array_equal(np.asarray(decode(turned)).transpose(2, 0, 1), expected)


def test_an_opened_file_can_still_be_used(tmp_path: Path) -> None:
    file = tmp_path / "16.png"
    file.write_bytes(TRANSPARENT["RGB, 16 bits"].data)
    with Image.open(file) as image:
        to_rgb(image)
        assert image.getpixel((0, 0)) == (1, 2, 3)


def test_floating_point_values() -> None:
    assert rgb(halves("F", 0.0, 1.0)) == [(0, 0, 0), (255, 255, 255)]
    with pytest.raises(ImageError, match=r"from 0 to 255; scale them to 0\.\.1"):
        to_rgb(halves("F", 0.0, 255.0))


def test_transparency_of_a_written_file_is_read() -> None:
    assert rgb(Image.open(io.BytesIO(encode(BLUE_HALF)))) == [(255, 255, 255), (0, 0, 255)]
