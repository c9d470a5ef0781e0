import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from support.transparent import TRANSPARENT, chunk
from support.whole_images import FORMATS, whole

from zoo.errors import ImageError, ImageTooLargeError, UnsupportedImageError
from zoo.images.decode import MAX_PIXELS, decode, decode_pixels, read_image
from zoo.images.preprocess import Box, scale_box, to_pixels

ORIENTATION = 0x0112
"""Number of the EXIF field that says how the image is turned."""


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and has one byte of pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def exif(*fields: tuple[int, int, bytes]) -> bytes:
    """An EXIF block with fields (number, type, one value of 4 bytes)."""
    entries = b"".join(struct.pack("<HHI", number, kind, 1) + value for number, kind, value in fields)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + entries + bytes(4)


@pytest.fixture
def two_colours() -> Image.Image:
    """4 x 2, red on the left and blue on the right."""
    image = Image.new("RGB", (4, 2), "red")
    image.paste("blue", (2, 0, 4, 2))
    return image


@pytest.mark.parametrize("kind", FORMATS)
def test_every_listed_format(kind: str, photo: bytes) -> None:
    image = Image.open(io.BytesIO(photo)).resize((60, 40))
    decoded = decode(encode(image, kind))
    assert decoded.mode == "RGB"
    assert decoded.size == (60, 40)
    difference = np.asarray(decoded).astype(int) - np.asarray(image)
    assert abs(difference).mean() < 12


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(decode(encode(Image.fromarray(array), kind))), array)


def test_a_photograph(photo: bytes) -> None:
    assert decode(photo).size == (451, 300)


@pytest.mark.parametrize("kind", FORMATS)
def test_one_pixel(kind: str) -> None:
    image = decode(encode(Image.new("RGB", (1, 1), "white"), kind))
    assert image.size == (1, 1)
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_an_empty_file() -> None:
    with pytest.raises(ImageError, match=r"empty \(0 bytes\)"):
        decode(b"")


@pytest.mark.parametrize("data", [b"this is text, whatever its name says", b"\0", b"%PDF-1.7"])
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(UnsupportedImageError, match="JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, HEIC ") as caught:
        decode(data)
    assert f"{len(data)} bytes" in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_beginning_without_a_header(kind: str) -> None:
    data = whole(kind)[0][:20]
    with pytest.raises(ImageError, match="damaged"):
        decode(data)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX", "JPEG2000"])
def test_formats_that_are_not_listed(kind: str) -> None:
    with pytest.raises(UnsupportedImageError):
        decode(encode(Image.new("RGB", (16, 16)), kind))


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_truncated_photograph(share: float, photo: bytes) -> None:
    with pytest.raises(ImageError, match="truncated or damaged"):
        decode(photo[: int(share * len(photo))])


def test_16_bit_grey_keeps_its_upper_byte() -> None:
    image = decode(encode(Image.fromarray(np.array([[0xABCD, 0x00FF, 0xFFFF]], dtype=np.uint16))))
    assert np.asarray(image).tolist() == [[[0xAB] * 3, [0x00] * 3, [0xFF] * 3]]


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey(mode: str) -> None:
    assert decode(encode(Image.new("L", (3, 2), 255).convert(mode))).getpixel((1, 1)) == (255, 255, 255)


def test_cmyk() -> None:
    data = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    red, green, blue = decode(data).getpixel((4, 4))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_an_animation_counts(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    red, green, blue = decode(encode(frames[0], kind, save_all=True, append_images=frames[1:])).getpixel((8, 8))
    assert red > 240
    assert max(green, blue) < 15


# For each orientation, the colours of the stored image's left and right end once it is upright: where each is.
@pytest.mark.parametrize(
    ("orientation", "size", "red", "blue"),
    [
        (1, (4, 2), (0, 0), (3, 0)),
        (2, (4, 2), (3, 0), (0, 0)),
        (3, (4, 2), (3, 1), (0, 1)),
        (6, (2, 4), (0, 0), (0, 3)),
        (8, (2, 4), (0, 3), (0, 0)),
    ],
)
def test_a_turned_image_is_put_upright(
    orientation: int, size: tuple[int, int], red: tuple[int, int], blue: tuple[int, int], two_colours: Image.Image
) -> None:
    settings = Image.Exif()
    settings[ORIENTATION] = orientation
    image = decode(encode(two_colours, exif=settings))
    assert image.size == size
    assert image.getpixel(red) == (255, 0, 0)
    assert image.getpixel(blue) == (0, 0, 255)


# A field of a type that its number does not have, as some cameras and editors write them.
@pytest.mark.parametrize(
    "field",
    [
        (0x0132, 11, struct.pack("<f", 2.5)),  # a date as a floating-point number
        (0x0102, 1, b"\x08\0\0\0"),  # bits a sample as bytes
        (0x0102, 4, struct.pack("<I", 1 << 20)),  # more bits a sample than the field holds
    ],
)
def test_odd_camera_settings_do_not_spoil_a_turned_image(
    field: tuple[int, int, bytes], two_colours: Image.Image
) -> None:
    upright = (ORIENTATION, 3, struct.pack("<HH", 6, 0))
    assert decode(encode(two_colours, exif=exif(*sorted([field, upright])))).size == (2, 4)


@pytest.mark.parametrize("size", [(100_000, 100_000), (8_000, 8_000), (10_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_a_huge_image_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLargeError, match=f"limit of {MAX_PIXELS}"):
        decode(png_header(*size))


def test_the_limit_on_pixels_can_be_chosen(photo: bytes) -> None:
    assert decode(photo, max_pixels=451 * 300).size == (451, 300)
    with pytest.raises(ImageTooLargeError, match="451 x 300 = 135300 pixels, above the limit of 135299"):
        decode(photo, max_pixels=451 * 300 - 1)


def test_a_small_header_without_pixels_is_damage_not_size() -> None:
    with pytest.raises(ImageError, match="truncated or damaged"):
        decode(png_header(100, 100))


def decodes_or_says_why(data: bytes) -> None:
    """Anything but an image or an `ImageError` fails the test."""
    with contextlib.suppress(ImageError):
        assert decode(data, max_pixels=10**6).mode == "RGB"
    with contextlib.suppress(ImageError):
        assert decode_pixels(data, 32, max_pixels=10**6).pixels.shape == (3, 32, 32)


def samples() -> list[bytes]:
    rotated = Image.Exif()
    rotated[ORIENTATION] = 6
    image = Image.radial_gradient("L").resize((24, 16)).convert("RGB")
    palette = image.quantize(8)
    return [
        encode(image, "JPEG", exif=rotated),
        encode(image, "JPEG", progressive=True),
        encode(image, "PNG", exif=rotated),
        encode(palette, "PNG", transparency=0),
        encode(Image.fromarray(np.full((5, 5), 0xABCD, dtype=np.uint16)), "PNG"),
        encode(palette, "GIF", save_all=True, append_images=[palette.rotate(90)]),
        encode(image, "BMP"),
        *whole("TIFF"),
        *whole("AVIF"),
        encode(image, "WEBP"),
        *(file.data for file in TRANSPARENT.values()),
    ]


SAMPLES = samples()

# Pillow warns of damaged EXIF blocks before it goes on.
careful = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@careful
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    decodes_or_says_why(data)


@careful
@given(st.sampled_from(SAMPLES), st.binary(max_size=100))
def test_random_bytes_after_a_true_header(sample: bytes, data: bytes) -> None:
    decodes_or_says_why(sample[:40] + data)


@careful
@given(st.sampled_from(SAMPLES), st.data())
def test_truncated_images(sample: bytes, data: st.DataObject) -> None:
    decodes_or_says_why(sample[: data.draw(st.integers(0, len(sample) - 1))])


@careful
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8))
def test_mutated_images(sample: bytes, changes: list[tuple[int, int]]) -> None:
    mutated = bytearray(sample)
    for position, value in changes:
        mutated[position % len(mutated)] = value
    decodes_or_says_why(bytes(mutated))


@careful
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 255)), min_size=1, max_size=20))
def test_mutated_photographs(photo: bytes, changes: list[tuple[int, int]]) -> None:
    mutated = bytearray(photo)
    for position, value in changes:
        mutated[position % len(mutated)] = value
    decodes_or_says_why(bytes(mutated))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [(33, 47), (127, 64), (32, 32)])
def test_a_small_image_is_scaled_from_its_full_size(kind: str, size: tuple[int, int]) -> None:
    data = encode(Image.effect_noise(size, 80).convert("RGB"), kind)
    pixels, box = to_pixels(decode(data), 32)
    square = decode_pixels(data, 32)
    np.testing.assert_array_equal(square.pixels, pixels)
    assert (square.box, square.width, square.height) == (box, *size)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(641, 479), (300, 1000), (256, 256)])
def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(
    orientation: int, size: tuple[int, int], photo: bytes
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(decode(photo).resize(size), "JPEG", exif=exif, quality=90)
    whole = decode(data)
    pixels, box = to_pixels(whole, 32)
    square = decode_pixels(data, 32)
    assert (square.box, square.width, square.height) == (box, *whole.size)
    difference = np.abs(square.pixels.astype(int) - pixels)
    assert difference.mean() < 0.4
    assert difference.max() <= 3


def test_no_more_of_a_photograph_is_decoded_than_is_needed(monkeypatch: pytest.MonkeyPatch, photo: bytes) -> None:
    seen = []

    def watch(image: Image.Image, box: Box, size: int) -> Image.Image:
        seen.append(image.size)
        return scale_box(image, box, size)

    monkeypatch.setattr("zoo.images.decode.scale_box", watch)
    data = encode(decode(photo).resize((1600, 1200)), "JPEG")
    for size in (32, 84, 200, 201):
        decode_pixels(data, size)
    assert seen == [(200, 150), (400, 300), (800, 600), (1600, 1200)]


@pytest.mark.parametrize("read", [decode, lambda data: decode_pixels(data, 32)])
def test_a_file_is_decoded_in_one_piece(read: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, "JPEG", quality=95)
    assert len(data.getvalue()) > ImageFile.MAXBLOCK
    pieces: list[bytes] = []
    load_read = JpegImageFile.load_read
    monkeypatch.setattr(JpegImageFile, "load_read", lambda *own: pieces.append(load_read(*own)) or pieces[-1])
    read(data.getvalue())
    assert pieces == [data.getvalue()]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_photograph_is_refused_at_a_fraction_of_its_size_too(share: float, photo: bytes) -> None:
    data = encode(decode(photo).resize((1600, 1200)), "JPEG")
    with pytest.raises(ImageError, match="truncated or damaged"):
        decode_pixels(data[: int(share * len(data))], 32)


def test_an_image_without_its_palette_is_damaged() -> None:
    data = encode(Image.new("P", (4, 4)))
    start = data.index(b"PLTE") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4])
    with pytest.raises(ImageError, match="damaged"):
        decode(data[:start] + data[stop:])


def test_the_image_of_a_file_is_upright_and_named_in_errors(photo_file: Path, photo: bytes, tmp_path: Path) -> None:
    assert ImageChops.difference(read_image(photo_file), decode(photo)).getbbox() is None
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGBA", (20, 10)).save(tmp_path / "turned.png", exif=exif)
    turned = read_image(str(tmp_path / "turned.png"))
    assert (turned.mode, turned.size, turned.getpixel((0, 0))) == ("RGB", (10, 20), (255, 255, 255))
    for name in ("nowhere.png", "text.png"):
        (tmp_path / "text.png").write_text("text")
        with pytest.raises(ImageError, match=name):
            read_image(tmp_path / name)
