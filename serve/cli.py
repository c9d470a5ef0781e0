"""The command `zoo serve`."""

import typer

from serve.settings import Settings
from zoo.errors import MissingDependencyError
from zoo.options import with_options


def add_commands(app: typer.Typer) -> None:
    """Add `serve` to the program."""
    app.command()(serve)


@with_options(Settings, environment="ZOO_")
def serve(settings: Settings) -> None:
    """Answer POST /classify and POST /patch-semantics over HTTP; see /docs there."""
    try:
        from serve.server import run
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"serving needs {error.name}: pip install 'template-zoo[serve]'") from None
    run(settings)
