"""The patches of a data set that are most like one patch of an image, by assignment."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from explain.cutouts import cut_out_pixels
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
    """A patch and those most like it."""

    pixels: Pixels
    """[3, S, S], of the image."""
    row: int
    column: int
    matches: Sequence[Match]
    labels: Sequence[str]
    """The class of each match's image."""
    radius: int
    """Cells on each side of a patch that its answer depends on."""


def open_index(
    network: Network,
    package: Package,
    folder: Path,
    data: ModelData | None,
    split: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PatchIndex:
    """An index of a model's patches; made from a data set if there is none yet.

    Raises:
        InputError: there is none and no data set is named, or it is stale.
    """
    if data is None:
        if not PatchIndex.exists(folder):
            raise InputError(f"there is no index of patches in {folder}; name a data set with --data to make it")
        return PatchIndex.open(folder, package.config)
    images = data.load(split)
    if not PatchIndex.exists(folder):
        origin = Origin.of(package.config, images, data.name, split)
        count = len(images.labels)
        collect(network, images, origin, folder, 0, lambda done: progress(done, count))
    return PatchIndex.open(folder, package.config, images.digest())


def require_block(package: Package) -> None:
    """Raise `InputError` unless a model assigns its patches."""
    variant = info(package.config.variant)
    if not variant.has_block:
        raise InputError(
            f"{variant.name} has no semantic block, whose assignment patches are compared by; name a variant with one, "
            "such as wrn16-ours"
        )


def find_similar(
    network: Network, index: PatchIndex, pixels: Pixels, row: int, column: int, count: int
) -> SimilarPatches:
    """The `count` patches of an index that are nearest to one patch of an image [3, S, S].

    Raises:
        InputError: the image has no such patch.
    """
    rows, columns = index.grid
    if not (0 <= row < rows and 0 <= column < columns):
        raise InputError(
            f"--patch {row},{column}: the grid has {rows} rows and {columns} columns, counted from 0 at the top left"
        )
    [matches] = nearest(index, patch_assignment(network, pixels, row, column)[None], count)
    labels = [index.origin.classes[int(index.labels[match.image])] for match in matches]
    return SimilarPatches(pixels, row, column, matches, labels, receptive_radius(network, index.pixels))


def draw_similar(found: SimilarPatches, index: PatchIndex) -> Image.Image:
    """The patch and those most like it, each with its surroundings, its class and its distance."""
    font = ImageFont.load_default(13)
    query = cut_out_pixels(found.pixels, index.grid, (found.row, found.column), found.radius, SIDE)
    tiles = [("the patch", f"row {found.row}, column {found.column}", query)]
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
    """What was found, for programs."""
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
