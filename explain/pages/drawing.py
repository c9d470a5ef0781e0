"""Images on a page: maps over the input image, and numbered patches."""

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from explain.pages.image import TILE, InputImage
from zoo.cutouts import Place, draw_frame, patch_box
from zoo.images.preprocess import Box
from zoo.outputs import Array
from zoo.semantic_map import INK, PAPER, cells

FOR, AGAINST = "#e76300", "#3f90da"
"""Colours of evidence for and against a class, distinguishable with colour-vision deficiencies."""
OPACITY = 0.8
"""Opacity of the strongest cell, below 1 so that the image stays visible."""


def draw_heatmap(image: InputImage, values: Array, full: float) -> Image.Image:
    """Overlay values [h, w] on the grey image: `FOR` where positive, `AGAINST` where negative, strongest at `full`."""
    strength = np.clip(np.abs(values) / max(full, np.finfo(np.float32).tiny), 0, 1)
    colours = np.array([ImageColor.getrgb(colour) for colour in (AGAINST, FOR)], dtype=np.uint8)
    overlay = np.dstack([colours[(values > 0).astype(int)], (255 * OPACITY * strength).astype(np.uint8)])
    grey = Image.blend(image.square.convert("L").convert("RGB"), Image.new("RGB", (TILE, TILE), PAPER), 0.35)
    return _overlay(grey, Image.fromarray(overlay).resize((TILE, TILE), Image.Resampling.NEAREST))


def draw_map(image: InputImage, shares: Array) -> Image.Image:
    """Overlay the semantic map of shares [C + 1, h, w] on the part of the image that the network sees."""
    return _overlay(image.square, cells(shares, (TILE, TILE)))


def draw_numbered_patches(image: InputImage, grid: tuple[int, int], places: list[Place]) -> Image.Image:
    """Draw numbered frames around patches, starting at 1."""
    drawn, font = image.square, ImageFont.load_default(15)
    pen = ImageDraw.Draw(drawn)
    for number, place in enumerate(places, start=1):
        box = patch_box(Box(0, 0, TILE, TILE), grid, place)
        draw_frame(pen, box)
        pen.text((box.left + 4, box.top + 1), str(number), fill=PAPER, font=font, stroke_width=2, stroke_fill=INK)
    return drawn


def _overlay(image: Image.Image, overlay: Image.Image) -> Image.Image:
    drawn = image.copy()
    drawn.paste(overlay, mask=overlay)
    return drawn
