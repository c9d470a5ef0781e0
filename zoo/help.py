"""Help of the commands: plain text, complete at any width of the terminal, and the words that the options use."""

import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

Function = TypeVar("Function", bound=Callable[..., Any])

WIDTH = 100
"""Maximum width of the help; a terminal may be narrower."""

_COLUMN = 28
"""Maximum width of the names of options; a longer name has a line of its own."""

WORDS = {
    "model": "VARIANT (wrn16-ours: its CIFAR-10 model, or else its only model), VARIANT.DATA (wrn16-ours.cifar10), "
    "local-dir:PATH, or hf-hub:ORG/NAME with or without @REVISION. Names are looked up in the folder $ZOO_WEIGHTS, in "
    "weights/ of a clone, and among the models released on the Hub with this version.",
    "model directory": "The folder with a model's weights and records, into which commands write their results: PATH, "
    "or for a name its folder in $ZOO_WEIGHTS or weights/, or for a model on the Hub its snapshot in the Hub's local "
    "cache, which a new revision does not inherit. `zoo info` shows its path.",
    "patch": "A cell of the network's grid, 4 x 4 pixels of its input: 8 x 8 patches of 32 x 32 pixels.",
    "semantic block": "The part of -ours networks that describes each patch as a mixture of classes; others have none.",
    "assignment": "The shares of the classes, and of `none`, in each patch: the semantic map of an image.",
    "slack": "How well a class must match a patch to outweigh `none`, the share that matches no class.",
    "lambda": "Weight of the patch loss in training: (1 - lambda) x image loss + lambda x mean loss of the patches.",
    "interchange": "In training, giving an image the assignment of another one, so that answers depend on it.",
    "held-out": "The training images that `zoo train --hold-out` did not train on.",
}
"""Words that the help of several commands uses, for `zoo --help`."""


class Command(TyperCommand):
    """A command whose help lists its options in groups (`rich_help_panel`), without shortening any."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_options(self, ctx, formatter)


class Program(typer.Typer):
    """A program whose commands are `Command`s."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:
        return super().command(name, **{"cls": Command, **settings})


def write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the arguments and options of a command, by group, in the order of their first member."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        if record := parameter.get_help_record(ctx):
            name, text = record
            group = getattr(parameter, "rich_help_panel", None) or f"{parameter.param_type_name.capitalize()}s"
            groups.setdefault(group, []).append((_plain_type(name), _one_note(text)))
    for group, rows in groups.items():
        write_definitions(formatter, group, rows)


def write_definitions(formatter: Any, title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Write a section with names on the left and texts on the right, in which no word is broken or left out."""
    rows = list(rows)
    column = max((len(name) for name, _ in rows if len(name) <= _COLUMN), default=_COLUMN) + 4
    formatter.write(f"\n{title}:\n")
    for name, text in rows:
        width = max(formatter.width - column, 30)
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
        start = f"  {name}".ljust(column)
        if len(start) > column:
            formatter.write(f"{start}\n")
            start = " " * column
        formatter.write(f"{start}{lines[0]}\n".replace(" \n", "\n"))
        formatter.write("".join(f"{' ' * column}{line}\n" for line in lines[1:]))


def _plain_type(name: str) -> str:
    """A name with its type, as typer shows it, without what only Python programmers read."""
    return re.sub(r"<list\[(.*)\]>", r"<\1>", name).replace(" range>", ">")


def _one_note(text: str) -> str:
    """A help text with its notes (default, range, variable) in one pair of brackets, and defaults in one notation.

    typer encloses a default that is described in words in parentheses, and its older versions escape the bracket.
    """
    return re.sub(r"default: \((.*?)\)(?=[;\]])", r"default: \1", text.replace("\\[", "[")).replace("]  [", "; ")
