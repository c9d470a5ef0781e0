"""What the program prints: on any terminal, with any encoding, whatever names of files and classes hold."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from zoo.files import json_text
from zoo.printable import encodable, printable_lines

if TYPE_CHECKING:
    from rich.progress import Progress


class Terminal(Console):
    """A console that prints names as they are: nothing in them is markup, an emoji's code or an escape sequence.

    Arguments:
        folded: whether lines are broken at the terminal's width, as tables need; else names can be copied.
        stderr: print there.
    """

    def __init__(self, folded: bool = False, stderr: bool = False) -> None:
        super().__init__(soft_wrap=not folded, stderr=stderr, markup=False, emoji=False, highlight=False)

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(str(each) if isinstance(each, os.PathLike) else each for each in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable_lines(text), **options)


def print_error(message: object) -> None:
    """Print a message on standard error, as every error ends the program."""
    Terminal(stderr=True).print(Text.assemble(("error: ", "bold red"), printable_lines(str(message))))


def print_json(value: Any) -> None:
    """Print a value as JSON, in characters that the terminal or file takes; the others are escaped."""
    if sys.stdout is None:
        return
    text = json_text(value)
    plain = text.replace("\n", "").isprintable() and encodable(text, sys.stdout.encoding)
    sys.stdout.write(text if plain else json_text(value, only_ascii=True))


def escape_unencodable() -> None:
    """From now on, escape printed characters that the encoding of the output does not have."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def discard_unwritten() -> None:
    """Discard what could not be written to the output: at its exit, Python would try again and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def progress_bar(shown: bool = True) -> "Progress":
    """A bar with the steps, the time and what the task says of itself in its field `status`.

    Arguments:
        shown: False for processes beside the first, whose bar prints nothing.
    """
    # Most commands have no bar.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
        console=Terminal(folded=True),
        disable=not shown,
    )
    bar.console.quiet = not shown
    return bar
