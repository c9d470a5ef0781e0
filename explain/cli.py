"""Commands of this package, each of which is defined in its own module."""

import typer

from explain.faithfulness.cli import faithfulness
from explain.pages.cli import explain
from explain.probe.cli import probe
from explain.semantics.cli import semantics
from explain.slack.cli import slack


def add_commands(app: typer.Typer) -> None:
    """Register this package's commands."""
    app.command()(semantics)
    app.command()(explain)
    app.command()(faithfulness)
    app.command()(probe)
    app.command()(slack)
