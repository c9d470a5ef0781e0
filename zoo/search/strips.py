"""Strips of contact sheets: images and what is like them, and groups of near-duplicates. No torch."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from zoo.cutouts import Place, cut_out_pixels
from zoo.images.decode import decode
from zoo.search.duplicates import Duplicates
from zoo.search.hits import Hit
from zoo.search.image_index import ImageIndex
from zoo.search.query import Found
from zoo.search.sheet import Strip, Tile

CONTEXT = 2
"""Cells that are shown on each side of a patch, as what it is depends on its surroundings."""


def search_strips(index: ImageIndex, found: Sequence[Found], place: Place | None = None) -> list[Strip]:
    """A strip for each image: itself, or its patch at a place, and what is like it."""
    strips = []
    for query, hits in found:
        where = "" if place is None else f", patch {place[0]},{place[1]}"
        image = decode(query.thumbnail) if place is None else _cut(decode(query.thumbnail), index, place)
        tiles = [Tile(image, "query", ""), *(_tile(index, hit) for hit in hits)]
        strips.append(Strip(f"{query.name}{where}", tiles))
    return strips


def duplicate_strips(index: ImageIndex, groups: Sequence[Duplicates]) -> list[Strip]:
    """A strip for each group."""
    return [
        Strip(
            f"group {number}: {len(group.images):,} images",
            [
                Tile(index.small(image), index.names[image], _note(index.label(image), cosine))
                for image, cosine in zip(group.images, group.cosines, strict=True)
            ],
        )
        for number, group in enumerate(groups, start=1)
    ]


def _tile(index: ImageIndex, hit: Hit) -> Tile:
    image = index.small(hit.number)
    if hit.place is not None:
        image = _cut(image, index, hit.place)
    return Tile(image, hit.name, _note(hit.label, hit.cosine))


def _note(label: str | None, cosine: float) -> str:
    return f"{cosine:.3f}" if label is None else f"{cosine:.3f} {label}"


def _cut(image: Image.Image, index: ImageIndex, place: Place) -> Image.Image:
    return cut_out_pixels(np.asarray(image).transpose(2, 0, 1), index.grid, place, CONTEXT)
