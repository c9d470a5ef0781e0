"""The command `zoo similar`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import InputError, reason_of
from zoo.extras import require
from zoo.hub import DEFAULT_MODEL
from zoo.options import SPLITS, Image, Model, data_option, path_option
from zoo.package.metrics import DEFAULT_SPLIT


def similar(
    image: Image,
    patch: Annotated[
        str,
        typer.Option(
            help="ROW,COLUMN of the patch, from 0,0 at the top left; to 7,7 for 32 x 32 pixels.", show_default=False
        ),
    ],
    model: Model = DEFAULT_MODEL,
    data: Annotated[
        str | None,
        data_option(
            help="Data set to search, as for `zoo eval`; required only to create the index. An index of other images "
            "is an error."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help=f"Split to search: {SPLITS}, or train.", show_default=DEFAULT_SPLIT)
    ] = None,
    index: Annotated[
        Path | None,
        path_option(
            help="Folder of the index of the patches, created if there is none; `zoo semantics` also creates it.",
            show_default="runs/semantics/VARIANT.DATA.SPLIT/index",
        ),
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of patches to find.")] = 14,
    output: Annotated[Path, path_option("-o", "--output", help="Output image, a .png file.")] = Path("similar.png"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of a table; the image is also written.")
    ] = False,
) -> None:
    """Find the patches of a data set that are most similar to a patch of an image, for an -ours model.

    Two patches are similar if the model assigns similar shares of the classes to them.
    """
    row, column = _parse(patch)
    if output.suffix.lower() != ".png":
        raise InputError(f"--output {output}: must end in .png")
    require("explain")
    from rich.table import Table

    from explain.similar.index import INDEX_FOLDER, PatchIndex, report_folder
    from explain.similar.search import draw_similar, find_similar, open_index, require_block, to_json
    from training.data.model_split import ModelData
    from zoo.files import check_output, png_bytes, write_output
    from zoo.hub import open_model
    from zoo.images.decode import read_pixels
    from zoo.package.metrics import MEASURED_SPLITS
    from zoo.predictors.torch import TorchPredictor
    from zoo.terminal import Terminal, print_json, progress_bar

    check_output(output, [image])
    package = open_model(model)
    require_block(package)
    pixels = read_pixels(image, package.config.input_size).pixels
    network = TorchPredictor.open(package).network
    images_of = None if data is None else ModelData(package, data)
    name = package.config.data if images_of is None else images_of.name
    variant = package.config.variant
    if images_of is not None:
        split = images_of.choose(split)
    elif split is None:  # default to the split of an existing report
        indices = ((one, report_folder(variant, name, one) / INDEX_FOLDER) for one in MEASURED_SPLITS)
        split = next((one for one, folder in indices if PatchIndex.exists(folder)), MEASURED_SPLITS[0])
    folder = index or report_folder(variant, name, split) / INDEX_FOLDER
    try:
        with progress_bar(shown=not as_json) as bar:
            task = bar.add_task("patches", total=1, status="", visible=False)
            opened = open_index(
                network,
                package,
                folder,
                images_of,
                split,
                lambda done, total: bar.update(task, completed=done, total=total, visible=True),
            )
        found = find_similar(network, opened, pixels, row, column, count)
    except OSError as error:
        raise InputError(f"cannot read or write {error.filename or folder}: {reason_of(error)}") from None
    for note in images_of.notes if images_of else ():
        Terminal(stderr=True).print(note)
    write_output(output, png_bytes(draw_similar(found, opened)))
    if as_json:
        return print_json(to_json(found, opened))
    table = Table("class", "image", "row", "column", "distance", title=f"{image}, patch {row},{column}")
    for match, label in zip(found.matches, found.labels, strict=True):
        table.add_row(label, str(match.image), str(match.row), str(match.column), f"{match.distance:.3f}")
    console = Terminal()
    console.print(table)
    return console.print(f"{output}: {len(opened)} images of {opened.origin.data} searched")


def _parse(patch: str) -> tuple[int, int]:
    found = re.fullmatch(r"\s*(\d{1,4})\s*,\s*(\d{1,4})\s*", patch)
    if not found:
        raise InputError(f"--patch {patch}: must be ROW,COLUMN, such as 3,5, starting at 0,0 at the top left")
    return int(found[1]), int(found[2])
