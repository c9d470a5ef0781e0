"""Squares of a page: a map over its picture, numbered patches, and a patch cut out."""

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from explain.pages.seen import TILE, Seen
from zoo.images.preprocess import Box
from zoo.predictors import Array
from zoo.semantic_map import INK, PAPER, cells

FOR, AGAINST = "#e76300", "#3f90da"
"""Colours of what speaks for a class and against it; people with colour-vision deficiencies tell them apart too."""
OPACITY = 0.8
"""Of the strongest cell: the picture must stay visible under it."""
CUT = 160
"""Side in pixels of a patch that is cut out with its surroundings."""

Place = tuple[int, int]
"""Row and column of a patch, from 0."""


def heat(seen: Seen, values: Array, full: float) -> Image.Image:
    """Values [h, w] over the picture in grey: `FOR` where positive, `AGAINST` where negative, strongest at `full`."""
    strength = np.clip(np.abs(values) / max(full, np.finfo(np.float32).tiny), 0, 1)
    colours = np.array([ImageColor.getrgb(colour) for colour in (AGAINST, FOR)], dtype=np.uint8)
    overlay = np.dstack([colours[(values > 0).astype(int)], (255 * OPACITY * strength).astype(np.uint8)])
    grey = Image.blend(seen.square.convert("L").convert("RGB"), Image.new("RGB", (TILE, TILE), PAPER), 0.35)
    return _over(grey, Image.fromarray(overlay).resize((TILE, TILE), Image.Resampling.NEAREST))


def map_over(seen: Seen, shares: Array) -> Image.Image:
    """The semantic map of shares [C + 1, h, w] over the part of the picture that the network sees."""
    return _over(seen.square, cells(shares, (TILE, TILE)))


def numbered(seen: Seen, grid: tuple[int, int], places: list[Place]) -> Image.Image:
    """The picture with frames around patches, numbered from 1."""
    picture, font = seen.square, ImageFont.load_default(15)
    pen = ImageDraw.Draw(picture)
    for number, place in enumerate(places, start=1):
        box = _cell(Box(0, 0, TILE, TILE), grid, place)
        _frame(pen, box)
        pen.text((box.left + 4, box.top + 1), str(number), fill=PAPER, font=font, stroke_width=2, stroke_fill=INK)
    return picture


def cut_out(seen: Seen, grid: tuple[int, int], place: Place) -> Image.Image:
    """A patch, framed, with the patches around it as far as the network sees them."""
    cell = _cell(seen.box, grid, place)
    width, height = cell.right - cell.left, cell.bottom - cell.top
    left = min(max(cell.left - width, seen.box.left), seen.box.right - 3 * width)
    top = min(max(cell.top - height, seen.box.top), seen.box.bottom - 3 * height)
    resampling = Image.Resampling.NEAREST if 3 * width < CUT / 2 else Image.Resampling.BICUBIC
    cut = seen.picture.resize((CUT, CUT), resampling, box=(left, top, left + 3 * width, top + 3 * height))
    across, down = CUT / (3 * width), CUT / (3 * height)
    edges = ((cell.left - left) * across, (cell.top - top) * down)
    _frame(ImageDraw.Draw(cut), Box(*edges, edges[0] + width * across, edges[1] + height * down))
    return cut


def _over(picture: Image.Image, overlay: Image.Image) -> Image.Image:
    drawn = picture.copy()
    drawn.paste(overlay, mask=overlay)
    return drawn


def _cell(box: Box, grid: tuple[int, int], place: Place) -> Box:
    """The part of a box that a patch of the grid covers."""
    height, width = (box.bottom - box.top) / grid[0], (box.right - box.left) / grid[1]
    left, top = box.left + place[1] * width, box.top + place[0] * height
    return Box(left, top, left + width, top + height)


def _frame(pen: ImageDraw.ImageDraw, box: Box) -> None:
    # Light and dark, to be seen on both.
    pen.rectangle(tuple(box), outline=INK, width=3)
    pen.rectangle((box.left + 1, box.top + 1, box.right - 1, box.bottom - 1), outline=PAPER, width=1)
