import io
import struct
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
from zoo.images.preprocess import to_pixels
from zoo.images.rgb import to_rgb

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


DEEP = np.array([[0x0000, 0x12FF, 0xABCD, 0xFFFF]], dtype=np.uint16)


def tiff_16(*planes: np.ndarray, meaning: int = 1, order: str = "<", separate: bool = False) -> bytes:
    """An uncompressed TIFF file of 16-bit channels; `meaning` is its photometric interpretation."""
    height, width = planes[0].shape
    stored = planes if separate else [np.stack(planes, axis=-1)]
    strips = [plane.astype(np.dtype(f"{order}u2")).tobytes() for plane in stored]
    count, after = len(planes), 8 + 2 + 12 * 10 + 4
    bits, tables = after, after + 8
    first = tables + 8 * len(strips)
    offsets = [first + sum(map(len, strips[:index])) for index in range(len(strips))]
    short, long = 3, 4

    def field(tag: int, kind: int, values: Sequence[int], place: int = 0) -> bytes:
        code = {short: "H", long: "I"}[kind]
        content = struct.pack(f"{order}{len(values)}{code}", *values)
        value = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack(f"{order}I", place)
        return struct.pack(f"{order}HHI", tag, kind, len(values)) + value

    fields = [
        field(256, short, [width]),
        field(257, short, [height]),
        field(258, short, [16] * count, bits),
        field(259, short, [1]),
        field(262, short, [meaning]),
        field(273, long, offsets, tables),
        field(277, short, [count]),
        field(278, short, [height]),
        field(279, long, list(map(len, strips)), tables + 4 * len(strips)),
        field(284, short, [2 if separate else 1]),
    ]
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(fields))
    extra = struct.pack(f"{order}4H", *[16] * 4)
    extra += struct.pack(f"{order}{2 * len(strips)}I", *offsets, *map(len, strips))
    return start + b"".join(fields) + bytes(4) + extra + b"".join(strips)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("separate", [False, True])
def test_16_bit_channels_of_a_tiff_file_keep_their_upper_byte(order: str, separate: bool) -> None:
    planes = [DEEP, DEEP[:, ::-1], DEEP // 2]
    image = decode(tiff_16(*planes, meaning=2, order=order, separate=separate))
    np.testing.assert_array_equal(np.asarray(image), np.stack(planes, axis=-1) >> 8)


def test_16_bit_grey_of_a_tiff_file() -> None:
    black_is_0, white_is_0 = (decode(tiff_16(DEEP, meaning=meaning)) for meaning in (1, 0))
    np.testing.assert_array_equal(np.asarray(black_is_0)[..., 0], DEEP >> 8)
    np.testing.assert_array_equal(np.asarray(white_is_0)[..., 0], ~DEEP >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_a_tiff_file_that_is_turned(orientation: int, compression: str) -> None:
    image = Image.effect_noise((48, 32), 80).convert("RGB")
    settings = Image.Exif()
    settings[ORIENTATION] = orientation
    expected = decode(encode(image, "PNG", exif=settings))
    data = encode(image, "TIFF", exif=settings, compression=compression)
    np.testing.assert_array_equal(np.asarray(decode(data)), np.asarray(expected))
    square = decode_pixels(data, 32)
    assert (square.width, square.height) == expected.size
    np.testing.assert_array_equal(square.pixels, to_pixels(expected, 32)[0])


def test_integers_beyond_16_bits() -> None:
    image = Image.fromarray(np.array([[0, 70_000]], dtype=np.int32))
    with pytest.raises(ImageError, match=r"integer values from 0 to 70000; scale them to 0\.\.65535"):
        decode(encode(image, "TIFF"))
