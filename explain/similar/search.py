"""Search for the patches of a data set that are most similar to a patch of an image, by assignment."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from zoo.cutouts import cut_out_pixels
from explain.receptive_field import receptive_radius
from explain.similar.collect import collect, patch_assignment
from explain.similar.index import Origin, PatchIndex
from explain.similar.nearest import Match, nearest
from training.data.model_split import ModelData
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.networks.network import Network
from zoo.package import Package
from zoo.registry import info
from zoo.semantic_map import INK, PAPER

SIDE, MARGIN, LINE = 144, 12, 18
COLUMNS = 5


class SimilarPatches(NamedTuple):
    """Query patch and the patches most similar to it."""

    pixels: Pixels
    """Image of the query, [3, S, S]."""
    row: int
    column: int
    matches: Sequence[Match]
    labels: Sequence[str]
    """Class of each match's image."""
    radius: int
    """Effective receptive field: cells on each side of a patch."""


def open_index(
    network: Network,
    package: Package,
    folder: Path,
    data: ModelData | None,
    split: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PatchIndex:
    """Open the index of a model's patches, or create it from a data set if it does not exist.

    Raises:
        InputError: there is neither an index nor a data set, or the index is stale.
    """
    if data is None:
        if not PatchIndex.exists(folder):
            raise InputError(f"no patch index in {folder}; pass a data set with --data to create it")
        return PatchIndex.open(folder, package.config)
    images = data.load(split)
    if not PatchIndex.exists(folder):
        origin = Origin.of(package.config, images, data.name, split)
        count = len(images.labels)
        collect(network, images, origin, folder, 0, lambda done: progress(done, count))
    return PatchIndex.open(folder, package.config, images.digest())


def require_block(package: Package) -> None:
    """Raise `InputError` unless the model has a semantic block."""
    variant = info(package.config.variant)
    if not variant.has_block:
        raise InputError(
            f"{variant.name} has no semantic block, and thus no assignment to compare patches by; choose a variant "
            "with a block, such as wrn16-ours"
        )


def find_similar(
    network: Network, index: PatchIndex, pixels: Pixels, row: int, column: int, count: int
) -> SimilarPatches:
    """Find the `count` patches of an index that are nearest to a patch of an image [3, S, S].

    Raises:
        InputError: the patch is outside the grid.
    """
    rows, columns = index.grid
    if not (0 <= row < rows and 0 <= column < columns):
        raise InputError(
            f"--patch {row},{column}: outside the grid of {rows} rows and {columns} columns; choose a patch from 0,0 "
            f"(top left) to {rows - 1},{columns - 1}"
        )
    [matches] = nearest(index, patch_assignment(network, pixels, row, column)[None], count)
    labels = [index.origin.classes[int(index.labels[match.image])] for match in matches]
    return SimilarPatches(pixels, row, column, matches, labels, receptive_radius(network, index.pixels))


def draw_similar(found: SimilarPatches, index: PatchIndex) -> Image.Image:
    """Draw the query patch and its matches, with their surroundings, classes and distances."""
    font = ImageFont.load_default(13)
    query = cut_out_pixels(found.pixels, index.grid, (found.row, found.column), found.radius, SIDE)
    tiles = [("query", f"row {found.row}, column {found.column}", query)]
    for match, label in zip(found.matches, found.labels, strict=True):
        cut = cut_out_pixels(index.pixels[match.image], index.grid, match.place, found.radius, SIDE)
        tiles.append((label, f"distance {match.distance:.3f}", cut))
    width, height = query.width + MARGIN, query.height + 2 * LINE + MARGIN
    rows = -(-len(tiles) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width + MARGIN, rows * height + MARGIN), PAPER)
    pen = ImageDraw.Draw(page)
    for place, (title, note, cut) in enumerate(tiles):
        x, y = MARGIN + place % COLUMNS * width, MARGIN + place // COLUMNS * height
        page.paste(cut, (x, y))
        pen.text((x, y + cut.height + 2), title, fill=INK, font=font)
        pen.text((x, y + cut.height + 2 + LINE - 3), note, fill="#5a626c", font=font)
    return page


def to_json(found: SimilarPatches, index: PatchIndex) -> dict[str, Any]:
    """Search result as JSON."""
    origin = index.origin
    return {
        "model": origin.model,
        "weights_sha256": origin.weights_sha256,
        "data": origin.data,
        "split": origin.split,
        "patch": {"row": found.row, "column": found.column},
        "matches": [
            {**match._asdict(), "label": label} for match, label in zip(found.matches, found.labels, strict=True)
        ],
    }
