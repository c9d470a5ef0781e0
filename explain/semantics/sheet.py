"""Images of rows of patches: of a model's most informative entities, and of the templates of a few classes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explain.semantics.entities import KIND_LABELS
from explain.semantics.study import AssignmentStudy, PatchStudy
from explain.semantics.summary import find_expected_pairs
from explain.semantics.templates import TemplateUse
from zoo.cutouts import SIDE, cut_out_pixels
from zoo.printable import printable
from zoo.search.patches import Match
from zoo.semantic_map import INK, PAPER, class_colour

EXAMPLES = 9
"""Number of patches shown per row."""
MARGIN, GAP, TEXT_WIDTH = 16, 4, 250
ROW = SIDE + 2 * GAP + 6
MUTED = "#5f6368"
PARTS = 3
"""Maximum number of named classes of a mixture."""
CLASSES = 5
"""Maximum number of classes whose templates are drawn: those that use the most."""
SMALLEST_USAGE = 0.1
"""Smallest part of its class's share for a template to be drawn."""


class Row(NamedTuple):
    """A row of patches with their surroundings."""

    name: str
    note: str
    shares: tuple[float, ...]
    """Share of each class, drawn as a bar."""
    caption: str
    matches: Sequence[Match]


def draw_entities(study: PatchStudy, assignment: AssignmentStudy) -> Image.Image:
    """Draw a row per entity: the most frequent pure one, the expected pairs, and the two most frequent generic ones."""
    return draw_rows(study, [_entity_row(study, assignment, index) for index in _chosen(study, assignment)])


def draw_templates(study: PatchStudy, use: TemplateUse) -> Image.Image:
    """Draw one row per used template of the classes that use the most templates."""
    classes = np.argsort(-use.perplexity, kind="stable")[:CLASSES].tolist()
    return draw_rows(study, [row for index in classes for row in _template_rows(study, use, index)])


def draw_rows(study: PatchStudy, rows: Sequence[Row]) -> Image.Image:
    """Draw rows, each with its name, its shares as a bar, and its patches with their surroundings."""
    examples = max((len(row.matches[:EXAMPLES]) for row in rows), default=0)
    width = MARGIN + TEXT_WIDTH + examples * (SIDE + GAP) + MARGIN
    page = Image.new("RGB", (width, 2 * MARGIN + ROW * len(rows)), PAPER)
    images, grid = study.measured.images.images.numpy(), study.measured.grid
    for number, row in enumerate(rows):
        top = MARGIN + number * ROW
        _describe(page, row, top)
        for place, match in enumerate(row.matches[:EXAMPLES]):
            cut = cut_out_pixels(images[match.image], grid, match.place, study.radius)
            cut = cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(cut, (MARGIN + TEXT_WIDTH + place * (SIDE + GAP), top))
    return page


def _entity_row(study: PatchStudy, assignment: AssignmentStudy, index: int) -> Row:
    entity, classes = assignment.entities.entities[index], study.config.classes
    shares = entity.mixture[:-1]
    order = np.argsort(-np.array(shares), kind="stable").tolist()
    return Row(
        entity.name.removeprefix("generic: "),
        f"{KIND_LABELS[entity.kind]}, {assignment.occurrences.frequency[index].value:.1%} of the patches",
        tuple(shares),
        ", ".join(f"{classes[at]} {shares[at]:.0%}" for at in order[:PARTS] if shares[at] >= 0.05),
        assignment.occurrences.examples[index],
    )


def _template_rows(study: PatchStudy, use: TemplateUse, index: int) -> Iterator[Row]:
    name, per_class = study.config.classes[index], use.usage.shape[1]
    for template in np.argsort(-use.usage[index], kind="stable").tolist():
        if (usage := float(use.usage[index, template])) >= SMALLEST_USAGE:
            shares = [0.0] * len(study.config.classes)
            shares[index] = usage
            matches = use.strongest[index * per_class + template]
            yield Row(f"{name} {template + 1}", f"{usage:.0%} of the class", tuple(shares), "", matches)


def _chosen(study: PatchStudy, assignment: AssignmentStudy) -> Iterator[int]:
    """Indices of the most frequent pure entity, the expected pairs that were found, and the two most frequent generic
    ones.
    """
    entities = assignment.entities.entities
    frequent = np.argsort([-one.value for one in assignment.occurrences.frequency], kind="stable").tolist()
    yield from [index for index in frequent if entities[index].kind == "pure"][:1]
    named = {found["name"] for found in find_expected_pairs(assignment, study.data).values() if found["found"]}
    yield from [index for index in frequent if entities[index].name in named]
    yield from [index for index in frequent if entities[index].kind == "generic"][:2]


def _describe(page: Image.Image, row: Row, top: int) -> None:
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, top), printable(row.name), fill=INK, font=ImageFont.load_default(19))
    pen.text((MARGIN, top + 25), row.note, fill=MUTED, font=ImageFont.load_default(13))
    left, width = float(MARGIN), TEXT_WIDTH - 2 * MARGIN
    pen.rectangle((MARGIN, top + 47, MARGIN + width, top + 59), fill="#e8eaed")
    for index in np.argsort(-np.array(row.shares), kind="stable").tolist():
        right = left + width * row.shares[index]
        if right > left:
            pen.rectangle((round(left), top + 47, round(right), top + 59), fill=class_colour(index))
        left = right
    pen.text((MARGIN, top + 64), printable(row.caption), fill=MUTED, font=ImageFont.load_default(13))
