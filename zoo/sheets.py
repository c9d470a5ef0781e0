"""Parts of sheets of many images: tiles, an image beside its semantic map, and lines of text that fit. No torch."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.images.preprocess import Pixels
from zoo.outputs import Array
from zoo.printable import printable
from zoo.semantic_map import INK, cells

QUIET = "#5f6368"
"""Colour of text that is less important."""

Corner = tuple[int, int]
"""Left and top, in pixels."""


def tile(image: Image.Image, side: int) -> Image.Image:
    """An image scaled to fit a square, without interpolation where it is enlarged twice or more."""
    enlarged = side >= 2 * max(image.size)
    scale = side / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def draw_pair(sheet: Image.Image, corner: Corner, pixels: Pixels, shares: Array, side: int, gap: int) -> None:
    """Draw the pixels [3, S, S] of an image, and beside them the same under its shares [C + 1, h, w]."""
    left, top = corner
    image = tile(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))), side)
    sheet.paste(image, corner)
    overlay = cells(shares, image.size)
    image.paste(overlay, mask=overlay)
    sheet.paste(image, (left + side + gap, top))


def write_line(
    pen: ImageDraw.ImageDraw,
    corner: Corner,
    text: str,
    width: int,
    size: int,
    colour: str = INK,
    *,
    cut_start: bool = False,
) -> None:
    """Write a line of text, shortened to a width in pixels at its end, or at its start as for paths."""
    text = printable(text)
    font, shown = ImageFont.load_default(size), text
    while font.getlength(shown) > width and len(text) > 1:
        text = text[1:] if cut_start else text[:-1]
        shown = f"…{text}" if cut_start else f"{text}…"
    pen.text(corner, shown, fill=colour, font=font)
