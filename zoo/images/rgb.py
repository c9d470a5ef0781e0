"""The one conversion of images to RGB: transparency over white, 16-bit channels, unusual modes of files."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from zoo.errors import ImageError

_GREY_MAXIMUM = {"L;2": 3, "L;4": 15, "L": 255}
"""Largest grey value of a PNG file by Pillow's raw mode; Pillow scales all of them to 0..255."""


def to_rgb(image: Image.Image) -> Image.Image:
    """An image in RGB, with transparency over white and the upper 8 bits of 16-bit channels; no copy if already so.

    Transparency comes from an alpha channel, a palette or a transparent colour (`image.info`).

    Raises:
        ImageError: it has floating-point values outside 0..1, or integers outside 0..65535.
    """
    image = load_image(image)
    if image.mode == "La":  # Pillow's only conversion from it
        image = image.convert("LA")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or (image.mode == "P" and image.has_transparency_data):
        layer = image.convert("RGBA")
        page = Image.new("RGB", layer.size, "white")
        page.paste(layer, mask=layer)
        return page
    if "transparency" not in image.info:
        return _opaque(image)
    transparent, image = _transparent(image), image.copy()
    del image.info["transparency"]  # Pillow would convert it, too, and fail or warn for modes without it
    page = _opaque(image)
    if transparent is not None:
        page.paste("white", mask=Image.fromarray(transparent))
    return page


def load_image(image: Image.Image) -> Image.Image:
    """Load an image with the transparency that its file declares.

    Pillow itself compares the transparent colour of a PNG file with values already scaled or cut to 8 bits, paints the
    area that the first frame of a GIF file leaves uncovered, reads the separate planes of a 16-bit TIFF file as 8 bits,
    and does not invert 16-bit grey whose 0 is white. An image that is already loaded is not changed.
    """
    if not (isinstance(image, ImageFile) and image.tile):
        image.load()
        return image
    _, extents, _, raw_mode = image.tile[0]
    key = image.info.get("transparency")
    if image.format == "PNG" and raw_mode == "RGB;16B" and key is not None:
        return _with_16_bit_key(image, key)
    if isinstance(image, TiffImageFile):
        return _load_tiff(image)
    image.load()
    if image.format == "PNG" and raw_mode in _GREY_MAXIMUM and key is not None:
        maximum = _GREY_MAXIMUM[raw_mode]
        image.info["transparency"] = (key & maximum) * (255 // maximum)
    if image.format == "GIF" and extents and extents != (0, 0, *image.size):
        return _only_within(image, extents)
    return image


_PHOTOMETRIC, _BITS, _PLANES = 262, 258, 284
"""TIFF fields: meaning of the values, bits per channel, and whether channels are stored separately."""


def _load_tiff(image: TiffImageFile) -> Image.Image:
    fields = image.tag_v2
    deep = set(fields.get(_BITS, ())) == {16}
    inverted = deep and fields.get(_PHOTOMETRIC) == 0
    if deep and fields.get(_PLANES) == 2 and image.tile[0].codec_name == "raw":
        order = "L" if fields.prefix == b"II" else "B"
        image.tile = [tile._replace(args=_deeper(tile.args, order)) for tile in image.tile]
    image.load()
    return Image.fromarray(~np.asarray(image)) if inverted else image


def _deeper(arguments: Any, order: str) -> tuple[Any, ...]:
    """Arguments of Pillow's raw decoder for 16 bits instead of 8, in the byte order `L` or `B`."""
    channel, *others = arguments
    return (f"{channel};16{order}", *others)


def _with_16_bit_key(image: ImageFile, key: tuple[int, int, int]) -> Image.Image:
    """A 16-bit RGB PNG file, reduced to 8 bits and with its transparent colour as an alpha channel."""
    assert image.fp is not None
    position = image.fp.tell()
    image.fp.seek(0)
    again = Image.open(io.BytesIO(image.fp.read()), formats=("PNG",))
    image.fp.seek(position)
    # Read in the opposite byte order, each value is cut to its lower half.
    again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]
    upper, lower = np.asarray(image), np.asarray(again)
    values = upper.astype(np.uint16) << 8 | lower
    alpha = np.where((values == key).all(axis=-1), 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([upper, alpha]))


def _only_within(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """An image that is transparent outside of a box."""
    layer = Image.new("RGBA", image.size)
    layer.paste(image.convert("RGBA").crop(box), box)
    return layer


def _transparent(image: Image.Image) -> NDArray[np.bool_] | None:
    """Mask [height, width] of the transparent colour of an image without alpha; None if it has none."""
    key: Any = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and len(key) == 3:
        # Pillow kept the upper 8 of 16 bits.
        key = [value >> 8 for value in key] if max(key) > 255 else key
        return (np.asarray(image) == key).all(axis=-1)
    if not isinstance(key, int):
        return None
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L")) == key
    return np.asarray(image) == key if image.mode.startswith("I") else None


def _opaque(image: Image.Image) -> Image.Image:
    """An image in RGB, ignoring transparency; no copy if already RGB, since the image may be large."""
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        return Image.fromarray((255 * _values(image, 1)).round().astype(np.uint8)).convert("RGB")
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit grey at 255; the upper byte holds the image.
        return Image.fromarray((_values(image, 0xFFFF) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _values(image: Image.Image, largest: int) -> NDArray[Any]:
    """Values of an image with one channel, checked to be between 0 and `largest`."""
    values = np.asarray(image)
    if not ((values >= 0) & (values <= largest)).all():
        kind = "floating-point" if image.mode == "F" else "integer"
        raise ImageError(
            f"the image has {kind} values from {values.min():g} to {values.max():g}; scale them to 0..{largest}, or "
            "convert it to 8 bits"
        )
    return values
