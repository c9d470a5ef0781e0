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
    beside: Annotated[
        str | None,
        typer.Option(
            help="A model whose class activation map is set beside.", show_default="the plain variant, if it is here"
        ),
    ] = None,
    output: Annotated[Path, path_option("-o", "--output", help="The folder of the pages.")] = Path("explained"),
) -> None:
    """Why a model answers as it does: a page a picture, as HTML and as PNG, with maps, patches and what moved it."""
    require("explain")
    from rich.text import Text

    from explain.pages.baseline import open_plain
    from explain.pages.write import write_pages
    from zoo.hub import open_model
    from zoo.predictors.torch import TorchPredictor
    from zoo.terminal import Terminal, print_error

    package = open_model(model, NETWORK_FILES)
    network = TorchPredictor.open(package).network
    plain = open_plain(package.config, beside)
    console = Terminal()
    with console.status("explaining") as status:
        written = write_pages(
            network, package.config, plain, images, output, lambda file: status.update(Text(f"explaining {file}"))
        )
    for page in written.pages:
        console.print(page)
    for failure in written.failures:
        print_error(failure)
    if written.failures:
        raise typer.Exit(1)
