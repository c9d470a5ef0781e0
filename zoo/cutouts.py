"""Crops of patches with their surroundings, from a network's input pixels or from the original image."""

import numpy as np
from PIL import Image, ImageDraw

from zoo.images.preprocess import Box, Pixels
from zoo.semantic_map import INK, PAPER

SIDE = 84
"""Approximate side of a crop of input pixels, in pixels."""
CUT = 160
"""Side of a crop of an original image, in pixels."""

Place = tuple[int, int]
"""Row and column of a patch, starting at 0."""


def cut_out_pixels(
    pixels: Pixels,
    grid: tuple[int, int],
    place: Place,
    radius: int,
    side: int = SIDE,
    *,
    frame: bool = True,
) -> Image.Image:
    """Crop a square of `2 radius + 1` cells around a patch, or the whole image if that is smaller, without
    interpolation.

    Arguments:
        pixels: image, [3, S, S].
        grid: rows and columns of the patch grid.
        place: row and column of the patch.
        radius: cells on each side of the patch; near an edge of the image there are more on the opposite side.
        side: approximate side of the crop, in pixels.
        frame: whether to draw a frame around the patch.
    """
    height, width = (length / cells for length, cells in zip(pixels.shape[1:], grid, strict=True))
    (first, last), (left, right) = (_window(at, radius, cells) for at, cells in zip(place, grid, strict=True))
    part = pixels[:, round(first * height) : round(last * height), round(left * width) : round(right * width)]
    scale = max(round(side / max(part.shape)), 1)
    cut = Image.fromarray(np.ascontiguousarray(part.transpose(1, 2, 0)))
    cut = cut.resize((cut.width * scale, cut.height * scale), Image.Resampling.NEAREST)
    if frame:
        x, y = round((place[1] - left) * width) * scale, round((place[0] - first) * height) * scale
        right_edge, bottom = x + round(width) * scale - 1, y + round(height) * scale - 1
        pen = ImageDraw.Draw(cut)
        # Two colours, so that the frame is visible on any image.
        pen.rectangle((x, y, right_edge, bottom), outline="#ffffff")
        pen.rectangle((x - 1, y - 1, right_edge + 1, bottom + 1), outline="#000000")
    return cut


def cut_out_image(image: Image.Image, box: Box, grid: tuple[int, int], place: Place) -> Image.Image:
    """Crop a framed patch with its neighbours from an image at its full resolution: `CUT` x `CUT` pixels.

    Arguments:
        image: image at its full size.
        box: part of the image that the network sees.
        grid: rows and columns of the patch grid.
        place: row and column of the patch.
    """
    (first, last), (left, right) = (_window(at, 1, cells) for at, cells in zip(place, grid, strict=True))
    start, end = patch_box(box, grid, (first, left)), patch_box(box, grid, (last - 1, right - 1))
    # Rounding must not extend beyond the image.
    part = Box(start.left, start.top, min(end.right, box.right), min(end.bottom, box.bottom))
    across, down = CUT / (part.right - part.left), CUT / (part.bottom - part.top)
    cut = image.resize((CUT, CUT), Image.Resampling.NEAREST if across > 2 else Image.Resampling.BICUBIC, box=part)
    patch = patch_box(box, grid, place)
    x, y = (patch.left - part.left) * across, (patch.top - part.top) * down
    width, height = (patch.right - patch.left) * across, (patch.bottom - patch.top) * down
    draw_frame(ImageDraw.Draw(cut), Box(x, y, x + width, y + height))
    return cut


def patch_box(box: Box, grid: tuple[int, int], place: Place) -> Box:
    """Part of a box that a patch of the grid covers."""
    height, width = (box.bottom - box.top) / grid[0], (box.right - box.left) / grid[1]
    left, top = box.left + place[1] * width, box.top + place[0] * height
    return Box(left, top, left + width, top + height)


def draw_frame(pen: ImageDraw.ImageDraw, box: Box) -> None:
    """Draw a frame inside a box, light on dark, which is visible on any background."""
    pen.rectangle(tuple(box), outline=INK, width=3)
    pen.rectangle((box.left + 1, box.top + 1, box.right - 1, box.bottom - 1), outline=PAPER, width=1)


def _window(place: int, radius: int, cells: int) -> tuple[int, int]:
    """Range of cells around a place: the first one, and the one after the last."""
    length = min(2 * radius + 1, cells)
    first = min(max(place - radius, 0), cells - length)
    return first, first + length
