"""The commands of this package, each in a file of its own."""

import typer

from explain.claims_cli import claims


def add_commands(app: typer.Typer) -> None:
    """Add this package's commands to the program."""
    app.command("claims")(claims)
