"""Sheet of the worst mistakes: each image beside its semantic map, with its true and its predicted class."""

import numpy as np
from PIL import Image, ImageDraw

from training.report.measured import Measured
from zoo.answers import patch_shares
from zoo.outputs import Array
from zoo.semantic_map import PAPER, class_colour
from zoo.sheets import QUIET, draw_pair, write_line

COLUMNS, ROWS = 5, 8

TILE, GAP, MARGIN = 112, 20, 24
PAIR = 2 * TILE + 4
LINE, SWATCH = 20, 12
HEADER, ITEM = 72, TILE + 3 * LINE + 4
LEGEND_COLUMNS, LEGEND_ROWS = 6, 3


def draw_mistakes(measured: Measured) -> Image.Image | None:
    """Draw the most confident mistakes, the worst first; None if there are none."""
    mistakes = measured.mistakes
    chosen = mistakes[: COLUMNS * ROWS].tolist()
    if not chosen:
        return None
    pixels = np.stack([measured.images.pixels(index) for index in chosen])
    shares = patch_shares(measured.predict(pixels))
    width = 2 * MARGIN + COLUMNS * (PAIR + GAP) - GAP
    legend = _strongest(shares)
    rows, lines = -(-len(chosen) // COLUMNS), -(-len(legend) // LEGEND_COLUMNS)
    height = 2 * MARGIN + HEADER + rows * (ITEM + GAP) + lines * LINE
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    of = f"{len(mistakes):,} mistakes in {len(measured.answers.labels):,} {measured.split} images"
    what = of if len(chosen) == len(mistakes) else f"the {len(chosen)} most confident of {of}"
    write_line(pen, (MARGIN, MARGIN), f"{measured.title}: {what}", width - 2 * MARGIN, 20)
    explanation = (
        "Left the image as the network sees it, right its semantic map: a cell per patch, a colour per class. Below, "
        "the true class, and the predicted one with its probability."
    )
    write_line(pen, (MARGIN, MARGIN + 32), explanation, width - 2 * MARGIN, 15, QUIET)
    for number, index in enumerate(chosen):
        row, column = divmod(number, COLUMNS)
        corner = (MARGIN + column * (PAIR + GAP), MARGIN + HEADER + row * (ITEM + GAP))
        draw_pair(sheet, corner, pixels[number], shares[number], TILE, PAIR - 2 * TILE)
        _describe(pen, (corner[0], corner[1] + TILE + 4), measured, index)
    _draw_legend(pen, MARGIN + HEADER + rows * (ITEM + GAP), width, legend, measured.classes)
    return sheet


def _describe(pen: ImageDraw.ImageDraw, corner: tuple[int, int], measured: Measured, index: int) -> None:
    """Write the true class, the predicted one and the file of an image, one under another."""
    left, top = corner
    answers, width = measured.answers, PAIR
    true, predicted = int(answers.labels[index]), int(answers.predicted[index])
    texts = (
        (f"true: {measured.classes[true]}", true),
        (f"{answers.probability[index]:.1%} {measured.classes[predicted]}", predicted),
    )
    for line, (text, of) in enumerate(texts):
        y = top + line * LINE
        _swatch(pen, (left, y), of)
        write_line(pen, (left + SWATCH + 6, y), text, width - SWATCH - 6, 15)
    write_line(pen, (left, top + 2 * LINE), measured.images.where(index), width, 12, QUIET, cut_start=True)


def _strongest(shares: Array) -> list[int]:
    """Classes that are the strongest of a patch, the most frequent first; at most those that fit into the legend."""
    classes, counts = np.unique(shares[:, :-1].argmax(axis=1), return_counts=True)
    return classes[np.argsort(-counts, kind="stable")][: LEGEND_COLUMNS * LEGEND_ROWS].tolist()


def _draw_legend(pen: ImageDraw.ImageDraw, top: int, width: int, legend: list[int], names: tuple[str, ...]) -> None:
    column_width = (width - 2 * MARGIN) // LEGEND_COLUMNS
    for number, index in enumerate(legend):
        line, column = divmod(number, LEGEND_COLUMNS)
        corner = (MARGIN + column * column_width, top + line * LINE)
        _swatch(pen, corner, index)
        write_line(pen, (corner[0] + SWATCH + 6, corner[1]), names[index], column_width - SWATCH - 12, 15)


def _swatch(pen: ImageDraw.ImageDraw, corner: tuple[int, int], index: int) -> None:
    left, top = corner
    pen.rectangle((left, top + 3, left + SWATCH, top + 3 + SWATCH), fill=class_colour(index))
