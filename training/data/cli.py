"""The command `zoo data`."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.extras import require
from zoo.options import parse_data

if TYPE_CHECKING:
    from rich.table import Table


def data(
    source: Annotated[
        str | None,
        typer.Argument(
            parser=parse_data,
            help="Data set, as for `zoo train --data`.",
            show_default="all with a name",
        ),
    ] = None,
) -> None:
    """Show where data sets lie, or how one is read: its splits, classes and numbers of images.

    A data set on the Hub is downloaded if it is not in the cache. No image is decoded.
    """
    require("train")
    from zoo.terminal import Terminal

    console = Terminal()
    if source is None:
        console.print(_places())
        return
    from training.data.data_set import DataSet, class_counts
    from zoo.printable import printable

    found = DataSet(source)
    console.print(f"{printable(source)}: {len(found.classes)} classes, splits {', '.join(found.splits)}")
    for note in found.notes:
        console.print(note)
    counts = {split: class_counts(encoded) for split in found.splits if (encoded := found.find(split)) is not None}
    console.print(_counts(found.classes, counts))


def _places() -> "Table":
    from rich.table import Table

    from training.data.places import cached_folder, own_folders
    from zoo.options import DATA_VARIABLE
    from zoo.printable import printable
    from zoo.registry import DATA_SETS

    table = Table("name", "on the Hub", "here", title="Data sets", title_justify="left")
    own = own_folders()
    for name in dict.fromkeys((*DATA_SETS, *own)):
        if name in own:
            here = f"{printable(str(own[name]))} (${DATA_VARIABLE})"
        else:
            here = str(cached_folder(name) or "not downloaded")
        table.add_row(printable(name), DATA_SETS.get(name, ""), here)
    return table


def _counts(classes: tuple[str, ...], counts: dict[str, dict[str, int]]) -> "Table":
    """Number of images by class and split."""
    from rich.table import Table

    from zoo.printable import printable

    table = Table("class")
    for split in counts:
        table.add_column(f"{split} images", justify="right")
    for name in classes:
        table.add_row(printable(name), *(f"{own[name]:,}" for own in counts.values()))
    table.add_section()
    table.add_row("all", *(f"{sum(own.values()):,}" for own in counts.values()))
    return table
