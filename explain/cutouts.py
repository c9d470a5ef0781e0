"""Patches cut out with their surroundings, as small pictures."""

import base64
import io

import numpy as np
from PIL import Image, ImageDraw

from zoo.images.preprocess import Pixels

SIDE = 84
"""About how many pixels a cut-out's side has."""
FRAME, EDGE = "#ffffff", "#000000"
"""Of the patch; two colours, so that it is seen on any picture."""


def cut_out(
    pixels: Pixels,
    grid: tuple[int, int],
    row: int,
    column: int,
    around: int,
    side: int = SIDE,
    *,
    frame: bool = True,
) -> Image.Image:
    """One patch, framed, in a square of `2 around + 1` cells, or of the whole picture if that is smaller.

    Arguments:
        pixels: [3, S, S].
        grid: rows and columns of the patches.
        row, column: of the patch.
        around: cells on each side; near the picture's edge there are more on the other one.
        side: about how many pixels the cut-out shall have.
        frame: whether the patch is framed.
    """
    height, width = (length / cells for length, cells in zip(pixels.shape[1:], grid, strict=True))
    first, last = _window(row, around, grid[0])
    left, right = _window(column, around, grid[1])
    part = pixels[:, round(first * height) : round(last * height), round(left * width) : round(right * width)]
    scale = max(round(side / max(part.shape)), 1)
    picture = Image.fromarray(np.ascontiguousarray(part.transpose(1, 2, 0)))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    if frame:
        x, y = round((column - left) * width) * scale, round((row - first) * height) * scale
        right_edge, bottom = x + round(width) * scale - 1, y + round(height) * scale - 1
        pen = ImageDraw.Draw(picture)
        pen.rectangle((x, y, right_edge, bottom), outline=FRAME)
        pen.rectangle((x - 1, y - 1, right_edge + 1, bottom + 1), outline=EDGE)
    return picture


def _window(place: int, around: int, cells: int) -> tuple[int, int]:
    """The first cell about a place, and the one after the last."""
    length = min(2 * around + 1, cells)
    first = min(max(place - around, 0), cells - length)
    return first, first + length


def data_url(picture: Image.Image) -> str:
    """A picture within a page."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
