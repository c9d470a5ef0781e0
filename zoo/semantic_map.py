"""Drawings of semantic maps over images: one colour per class, one cell per patch, and a legend."""

import colorsys
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from zoo.images.preprocess import Box
from zoo.outputs import NONE, Array
from zoo.printable import printable

PALETTE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#92dadd", "#94a4a2", "#717581",
)  # fmt: skip
"""Ten colours that work with colour-vision deficiencies: M. Petroff, *Accessible Color Sequences* (2021)."""

SIDE = 512
"""Minimum side of the drawn square in pixels, so that the cells of a small image are visible."""
MAX_SIDE = 1024
MAX_OPACITY = 0.65
"""Opacity of a cell with a single class; the image must stay visible underneath."""
LEGEND_ROWS = 12
NONE_COLOUR = "#20242b"
INK, PAPER = "#202124", "#ffffff"


class LegendRow(NamedTuple):
    """A class, its mean share over the grid, and its colour; None for `none` and for the sum of other classes."""

    name: str
    share: float
    colour: str | None


def class_colour(index: int) -> str:
    """Colour of a class, the same in every image; beyond ten classes, lighter and darker shades of the ten."""
    red, green, blue = (value / 255 for value in ImageColor.getrgb(PALETTE[index % len(PALETTE)])[:3])
    cycle = index // len(PALETTE)
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    lightness += (0, 0.16, -0.16, 0.24, -0.24, 0.08, -0.08, 0.2, -0.2, 0.12)[cycle % 10]
    shade = colorsys.hls_to_rgb(hue, min(max(lightness, 0.05), 0.95), saturation)
    return "#" + "".join(f"{round(255 * value):02x}" for value in shade)


def label_colours(labels: tuple[str, ...], per_class: int = 1) -> list[str]:
    """The colours of a legend: those of the classes, in order, or shades of them for several entries per class; the
    slack has one of its own.
    """
    places = (divmod(index, per_class) for index in range(len(labels)))
    colours = [class_colour(index + number * len(PALETTE)) for index, number in places]
    return [NONE_COLOUR if label == NONE else colour for label, colour in zip(labels, colours, strict=True)]


def draw_semantic_map(image: Image.Image, shares: Array, box: Box, classes: tuple[str, ...], title: str) -> Image.Image:
    """Draw the class shares of each patch over the image.

    Each cell has the colour of its strongest class, with an opacity proportional to that class's share; cells are not
    interpolated. The part of the image that the network did not see is dimmed.

    Arguments:
        image: RGB image to draw over.
        shares: [C + 1, h, w], `none` last; see `zoo.answers.patch_shares`.
        box: the part of the image that the grid covers.
        classes: C names.
        title: title of the legend.

    Returns:
        An RGB image: the map on the left, the legend on the right.
    """
    scale = min(max(SIDE / (box.right - box.left), 1.0), MAX_SIDE / min(image.size))
    if max(image.size) * scale > 2 * MAX_SIDE:
        scale = 2 * MAX_SIDE / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    canvas = image.resize(size, Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS)
    left, top = (min(round(start * scale), side - 1) for start, side in zip(box[:2], size, strict=True))
    edges = [left, top, max(round(box.right * scale), left + 1), max(round(box.bottom * scale), top + 1)]
    canvas = _dim_outside(canvas, edges)
    overlay = cells(shares, (edges[2] - edges[0], edges[3] - edges[1]))
    canvas.paste(overlay, (edges[0], edges[1]), overlay)
    return _side_by_side(canvas, draw_legend(legend_rows(shares, classes), title))


def _dim_outside(canvas: Image.Image, edges: list[int]) -> Image.Image:
    dimmed = Image.blend(canvas, Image.new("RGB", canvas.size, PAPER), 0.6)
    seen = (edges[0], edges[1], edges[2], edges[3])
    dimmed.paste(canvas.crop(seen), seen[:2])
    return dimmed


def cells(shares: Array, size: tuple[int, int]) -> Image.Image:
    """The grid of shares [C + 1, h, w] as an RGBA image of `size`: each cell in the colour of its strongest class."""
    strongest = shares[:-1].argmax(axis=0)
    colours = np.array([ImageColor.getrgb(class_colour(index))[:3] for index in range(len(shares) - 1)], dtype=np.uint8)
    opacity = np.clip(255 * MAX_OPACITY * shares[:-1].max(axis=0), 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([colours[strongest], opacity])).resize(size, Image.Resampling.NEAREST)


def legend_rows(shares: Array, classes: tuple[str, ...]) -> list[LegendRow]:
    """Classes with the largest mean shares over the grid, then the sum of the others, then `none`."""
    means = shares.mean(axis=(1, 2))
    order = np.argsort(-means[:-1], kind="stable")
    shown, rest = order[:LEGEND_ROWS], order[LEGEND_ROWS:]
    rows = [LegendRow(printable(classes[index]), float(means[index]), class_colour(int(index))) for index in shown]
    if len(rest):
        rows.append(LegendRow(f"{len(rest)} others", float(means[rest].sum()), None))
    return [*rows, LegendRow(NONE, float(means[-1]), None)]


def draw_legend(rows: list[LegendRow], title: str, size: int = 18) -> Image.Image:
    """The legend as a separate image: a title above its rows, with type of `size` pixels."""
    font, margin, line, swatch = ImageFont.load_default(size), 16, round(1.78 * size), round(1.22 * size)
    indent, name_width = swatch + 12, max(font.getlength(row.name) for row in rows)
    share_width = font.getlength("100%") + size
    width = round(2 * margin + max(indent + name_width + share_width, font.getlength(title)))
    legend = Image.new("RGB", (width, margin * 2 + line * (len(rows) + 1)), PAPER)
    pen = ImageDraw.Draw(legend)
    pen.text((margin, margin), title, fill=INK, font=font)
    for index, row in enumerate(rows, start=1):
        top = margin + index * line
        square = (margin, top, margin + swatch, top + swatch)
        pen.rectangle(square, fill=row.colour, outline=INK if row.colour is None else None)
        pen.text((margin + indent, top), row.name, fill=INK, font=font)
        pen.text((width - margin, top), f"{row.share:.0%}", fill=INK, font=font, anchor="ra")
    return legend


def _side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    page = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), PAPER)
    page.paste(left, (0, 0))
    page.paste(right, (left.width, 0))
    return page
