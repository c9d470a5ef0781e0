"""The commands of this package, each in a file of its own."""

import typer

from explain.claims_cli import claims
from explain.explain_cli import explain
from explain.faithfulness_cli import faithfulness
from explain.probe_cli import probe
from explain.semantics_cli import semantics
from explain.similar_cli import similar


def add_commands(app: typer.Typer) -> None:
    """Add this package's commands to the program."""
    app.command("claims")(claims)
    app.command()(semantics)
    app.command()(similar)
    app.command()(explain)
    app.command()(faithfulness)
    app.command()(probe)
