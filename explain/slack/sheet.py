"""Contact sheet of images and their maps, with `none` transparent."""

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from zoo.outputs import Array
from zoo.printable import printable
from zoo.semantic_map import INK, PAPER, class_colour
from zoo.sheets import draw_pair

COLUMNS, ROWS = 6, 8
"""Pairs of an image and its map beside and below each other."""
IMAGES = COLUMNS * ROWS

_TILE, _GAP, _LINE = 80, 6, 22
_LEGEND_ENTRIES = 5
"""Classes in a line of the legend."""


def contact_sheet(images: Tensor, shares: Array, classes: tuple[str, ...]) -> Image.Image:
    """Draw pairs of an image and its map, in reading order, above a legend.

    Arguments:
        images: [N, 3, S, S], uint8; at most the first 48 are drawn.
        shares: assignment [N, C + 1, h, w], `none` last.
        classes: C names.
    """
    pair = 2 * _TILE + _GAP
    lines = -(-len(classes) // _LEGEND_ENTRIES)
    width, height = COLUMNS * (pair + _GAP) + _GAP, ROWS * (_TILE + _GAP) + 2 * _GAP
    sheet = Image.new("RGB", (width, height + lines * _LINE), PAPER)
    for index, (pixels, one) in enumerate(zip(images[:IMAGES], shares, strict=False)):
        row, column = divmod(index, COLUMNS)
        corner = (_GAP + column * (pair + _GAP), _GAP + row * (_TILE + _GAP))
        draw_pair(sheet, corner, pixels.numpy(), one, _TILE, 0)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for index, name in enumerate(classes):
        line, column = divmod(index, _LEGEND_ENTRIES)
        left, top = _GAP + column * (width // _LEGEND_ENTRIES), height + line * _LINE
        pen.rectangle((left, top + 2, left + 14, top + 16), fill=class_colour(index))
        pen.text((left + 20, top), printable(name), fill=INK, font=font)
    return sheet
