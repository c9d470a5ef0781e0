"""Valid images of every supported format, in several modes, with and without optional parts."""

import io
from functools import cache
from typing import Any

from PIL import Image

from zoo.images import formats

FORMATS = tuple(each.name for each in formats.FORMATS if not each.extra)
"""Names of the formats that Pillow itself reads."""

SIDE = 48
COLOURS = 32


@cache
def whole(kind: str) -> tuple[bytes, ...]:
    """Files of one of `FORMATS`."""
    return tuple(_encoded(image, kind, options) for image, options in _variants()[kind])


def _variants() -> dict[str, list[tuple[Image.Image, dict[str, Any]]]]:
    """Images and options of saving, by format."""
    fractal = Image.effect_mandelbrot((SIDE, SIDE), (-2, -1.5, 1, 1.5), 20)
    photo = Image.merge("RGB", (fractal, fractal.rotate(90), Image.linear_gradient("L").resize(fractal.size)))
    palette, layer = photo.quantize(COLOURS), photo.convert("RGBA")
    layer.putalpha(fractal)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a phone's image"
    profile = bytes(200)
    frames = {"save_all": True, "append_images": [palette.rotate(90)], "duration": 40}
    return {
        "JPEG": [
            (photo, {"exif": exif}),
            (photo, {"progressive": True, "subsampling": 0}),
            (fractal, {"restart_marker_rows": 1, "comment": b"grey"}),
            (photo.convert("CMYK"), {"icc_profile": profile}),
        ],
        "PNG": [
            (photo, {"exif": exif}),
            (palette, {"transparency": bytes(range(COLOURS))}),
            (layer, {"icc_profile": profile}),
            (fractal.convert("I;16"), {}),
            (palette, frames),
        ],
        "WEBP": [
            (photo, {"exif": exif}),
            (layer, {"lossless": True}),
            (layer, {"icc_profile": profile}),
            (photo, frames),
        ],
        "GIF": [
            (palette, {"transparency": 3, "comment": b"an image"}),
            (fractal, {"interlace": False}),
            (palette, frames),
        ],
        "BMP": [(photo, {}), (palette, {}), (layer, {}), (fractal.convert("1"), {})],
        "TIFF": [
            (photo, {"tiffinfo": {0x0112: 6}}),
            (photo, {"compression": "tiff_lzw", "big_tiff": True}),
            (photo, {"compression": "jpeg"}),
            (layer, {"icc_profile": profile}),
            (fractal.convert("I;16"), {"compression": "tiff_adobe_deflate"}),
            (photo, frames),
        ],
        "AVIF": [(photo, {"exif": exif, "speed": 10}), (layer, {"speed": 10}), (photo, frames | {"speed": 10})],
    }


def _encoded(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
