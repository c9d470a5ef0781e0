"""Printing that is safe on any terminal and in any encoding, whatever file and class names contain."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from zoo.files import json_text
from zoo.printable import encodable, printable_lines

if TYPE_CHECKING:
    from zoo.progress import ProgressBar


class Terminal(Console):
    """A console that prints text literally: no markup, emoji codes or escape sequences are interpreted.

    Arguments:
        folded: wrap lines at the terminal's width, as tables need; unwrapped names can be copied.
        stderr: print to standard error.
    """

    def __init__(self, folded: bool = False, stderr: bool = False) -> None:
        super().__init__(soft_wrap=not folded, stderr=stderr, markup=False, emoji=False, highlight=False)

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(str(each) if isinstance(each, os.PathLike) else each for each in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable_lines(text), **options)


def print_error(message: object) -> None:
    """Print an error message to standard error."""
    Terminal(stderr=True).print(Text.assemble(("error: ", "bold red"), printable_lines(str(message))))


def print_json(value: Any) -> None:
    """Print a value as JSON; characters that the output cannot represent are escaped."""
    if sys.stdout is None:
        return
    text = json_text(value)
    plain = text.replace("\n", "").isprintable() and encodable(text, sys.stdout.encoding)
    sys.stdout.write(text if plain else json_text(value, only_ascii=True))


def escape_unencodable() -> None:
    """From now on, escape printed characters that the output's encoding cannot represent."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def discard_unwritten() -> None:
    """Discard output that could not be written; at exit, Python would otherwise try again and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def progress_bar(shown: bool = True, stderr: bool = False) -> "ProgressBar":
    """A progress bar; see `zoo.progress.ProgressBar`.

    Arguments:
        shown: False prints nothing, for every process but the first.
        stderr: print to standard error.
    """
    # Imported late: most commands have no progress bar.
    from zoo.progress import ProgressBar

    return ProgressBar(Terminal(folded=True, stderr=stderr), shown)
