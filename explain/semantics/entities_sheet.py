"""An image of the entities that tell most about a model: of one class, the pairs looked for, and of many classes."""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explain.cutouts import SIDE, cut_out_pixels
from explain.semantics.study import Assigned, Study
from explain.semantics.summary import searched
from zoo.package.entities import Entity
from zoo.semantic_map import INK, PAPER, class_colour

EXAMPLES = 9
"""Patches of each entity."""
MARGIN, GAP, TEXT_WIDTH = 16, 4, 250
ROW = SIDE + 2 * GAP + 6
MUTED = "#5f6368"
PARTS = 3
"""Classes of a mixture that are named."""
TITLES = {"pure": "one class", "pair": "two classes", "generic": "many classes", "none": "no class"}


def draw_entities(study: Study, assigned: Assigned) -> Image.Image:
    """Draw a row for each entity: its name, its mixture as a bar, and its nearest patches with their surroundings."""
    chosen = list(_chosen(study, assigned))
    width = MARGIN + TEXT_WIDTH + EXAMPLES * (SIDE + GAP) + MARGIN
    page = Image.new("RGB", (width, 2 * MARGIN + ROW * len(chosen)), PAPER)
    images, grid = study.measured.images.images.numpy(), study.measured.grid
    for number, index in enumerate(chosen):
        top = MARGIN + number * ROW
        entity = assigned.entities.entities[index]
        _describe(page, entity, assigned.occurrences.frequency[index].value, study.config.classes, top)
        for place, match in enumerate(assigned.occurrences.examples[index][:EXAMPLES]):
            cut = cut_out_pixels(images[match.image], grid, match.place, study.around)
            cut = cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(cut, (MARGIN + TEXT_WIDTH + place * (SIDE + GAP), top))
    return page


def _chosen(study: Study, assigned: Assigned) -> Iterator[int]:
    """The most frequent entity of one class, the pairs that were looked for and found, the most frequent of many."""
    entities = assigned.entities.entities
    frequent = np.argsort([-one.value for one in assigned.occurrences.frequency], kind="stable").tolist()
    yield from [index for index in frequent if entities[index].kind == "pure"][:1]
    named = {found["name"] for found in searched(assigned, study.data).values() if found["found"]}
    yield from [index for index in frequent if entities[index].name in named]
    yield from [index for index in frequent if entities[index].kind == "generic"][:2]


def _describe(page: Image.Image, entity: Entity, frequency: float, classes: tuple[str, ...], top: int) -> None:
    pen = ImageDraw.Draw(page)
    name = entity.name.removeprefix("generic: ")
    pen.text((MARGIN, top), name, fill=INK, font=ImageFont.load_default(19))
    said = f"{TITLES[entity.kind]}, {frequency:.1%} of the patches"
    pen.text((MARGIN, top + 25), said, fill=MUTED, font=ImageFont.load_default(13))
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
