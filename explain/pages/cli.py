"""The command `zoo explain`."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.extras import require
from zoo.hub import DEFAULT_MODEL
from zoo.options import Model, path_argument, path_option
from zoo.package import NETWORK_FILES


def explain(
    images: Annotated[
        list[Path], path_argument(help="Image files, or folders of them at any depth.", show_default=False)
    ],
    model: Model = DEFAULT_MODEL,
    label: Annotated[
        str | None,
        typer.Option("--class", help="Class to explain.", show_default="the predicted class of each image"),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Model whose class activation map is shown for comparison.",
            show_default="the plain variant of the same data set, if available locally",
        ),
    ] = None,
    output: Annotated[
        Path,
        path_option(
            "-o",
            "--output",
            help="Output folder for the pages, which are named after the images and, where they are in several "
            "folders, after these too (inner-cat.html).",
        ),
    ] = Path("explained"),
    maps: Annotated[
        bool, typer.Option("--maps", help="Also write the maps as NumPy arrays, NAME.MAP.npy, to that folder.")
    ] = False,
) -> None:
    """Explain predictions: one HTML and PNG page per image, with maps, patches and what influenced the class."""
    require("explain")
    from rich.text import Text

    from explain.pages.baseline import open_baseline
    from explain.pages.write import write_pages
    from zoo.answers import class_index
    from zoo.hub import open_model
    from zoo.images.image_files import expand_folders
    from zoo.predictors.torch import TorchPredictor
    from zoo.terminal import Terminal, print_error

    package = open_model(model, NETWORK_FILES)
    explained = None if label is None else class_index(label, package.config.classes)
    files = expand_folders(images, output)
    network = TorchPredictor.open(package).network
    compared = open_baseline(package.config, baseline)
    console = Terminal()
    with console.status("explaining") as status:
        written = write_pages(
            network,
            package.config,
            compared,
            files,
            output,
            explained=explained,
            maps=maps,
            progress=lambda file: status.update(Text(f"explaining {file}")),
        )
    for page in written.pages:
        console.print(page)
    for failure in written.failures:
        print_error(failure)
    if written.failures:
        raise typer.Exit(1)
