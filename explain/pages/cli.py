"""The command `zoo explain`."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.extras import require
from zoo.hub import DEFAULT_MODEL
from zoo.options import Images, Model, path_option
from zoo.package import NETWORK_FILES


def explain(
    images: Images,
    model: Model = DEFAULT_MODEL,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Model whose class activation map is shown for comparison.",
            show_default="the plain variant of the same data set, if available locally",
        ),
    ] = None,
    output: Annotated[Path, path_option("-o", "--output", help="Output folder for the pages.")] = Path("explained"),
) -> None:
    """Explain predictions: one HTML and PNG page per image, with maps, patches and what influenced the class."""
    require("explain")
    from rich.text import Text

    from explain.pages.baseline import open_baseline
    from explain.pages.write import write_pages
    from zoo.hub import open_model
    from zoo.predictors.torch import TorchPredictor
    from zoo.terminal import Terminal, print_error

    package = open_model(model, NETWORK_FILES)
    network = TorchPredictor.open(package).network
    compared = open_baseline(package.config, baseline)
    console = Terminal()
    with console.status("explaining") as status:
        written = write_pages(
            network, package.config, compared, images, output, lambda file: status.update(Text(f"explaining {file}"))
        )
    for page in written.pages:
        console.print(page)
    for failure in written.failures:
        print_error(failure)
    if written.failures:
        raise typer.Exit(1)
