"""Image of a model's most informative entities: one of a single class, the expected pairs, and two of many classes."""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explain.cutouts import SIDE, cut_out_pixels
from explain.semantics.entities import KIND_LABELS
from explain.semantics.study import AssignmentStudy, PatchStudy
from explain.semantics.summary import find_expected_pairs
from zoo.package.entities import Entity
from zoo.semantic_map import INK, PAPER, class_colour

EXAMPLES = 9
"""Number of patches shown per entity."""
MARGIN, GAP, TEXT_WIDTH = 16, 4, 250
ROW = SIDE + 2 * GAP + 6
MUTED = "#5f6368"
PARTS = 3
"""Maximum number of named classes of a mixture."""


def draw_entities(study: PatchStudy, assignment: AssignmentStudy) -> Image.Image:
    """Draw one row per entity, with its name, its mixture as a bar, and its nearest patches with their surroundings."""
    chosen = list(_chosen(study, assignment))
    width = MARGIN + TEXT_WIDTH + EXAMPLES * (SIDE + GAP) + MARGIN
    page = Image.new("RGB", (width, 2 * MARGIN + ROW * len(chosen)), PAPER)
    images, grid = study.measured.images.images.numpy(), study.measured.grid
    for number, index in enumerate(chosen):
        top = MARGIN + number * ROW
        entity = assignment.entities.entities[index]
        _describe(page, entity, assignment.occurrences.frequency[index].value, study.config.classes, top)
        for place, match in enumerate(assignment.occurrences.examples[index][:EXAMPLES]):
            cut = cut_out_pixels(images[match.image], grid, match.place, study.radius)
            cut = cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(cut, (MARGIN + TEXT_WIDTH + place * (SIDE + GAP), top))
    return page


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


def _describe(page: Image.Image, entity: Entity, frequency: float, classes: tuple[str, ...], top: int) -> None:
    pen = ImageDraw.Draw(page)
    name = entity.name.removeprefix("generic: ")
    pen.text((MARGIN, top), name, fill=INK, font=ImageFont.load_default(19))
    note = f"{KIND_LABELS[entity.kind]}, {frequency:.1%} of the patches"
    pen.text((MARGIN, top + 25), note, fill=MUTED, font=ImageFont.load_default(13))
    left, width = float(MARGIN), TEXT_WIDTH - 2 * MARGIN
    shares = entity.mixture[:-1]
    order = np.argsort(-np.array(shares), kind="stable").tolist()
    pen.rectangle((MARGIN, top + 47, MARGIN + width, top + 59), fill="#e8eaed")
    for index in order:
        right = left + width * shares[index]
        pen.rectangle((round(left), top + 47, round(right), top + 59), fill=class_colour(index))
        left = right
    named = ", ".join(f"{classes[index]} {shares[index]:.0%}" for index in order[:PARTS] if shares[index] >= 0.05)
    pen.text((MARGIN, top + 64), named, fill=MUTED, font=ImageFont.load_default(13))
