"""Output of answers as they come: a table, JSON, CSV or JSON Lines."""

import csv
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from textwrap import indent
from typing import Any, TextIO

from rich.table import Table

from zoo.classify.answers import Answer
from zoo.files import writing
from zoo.printable import encodable
from zoo.terminal import Terminal

STANDARD_OUTPUT = Path("-")

TABLE = 64
"""Images per table, whose columns are as wide as their longest name."""


class Writer(ABC):
    """Writes answers to a stream, a batch at a time."""

    def __init__(self, stream: TextIO, identity: dict[str, str], top_k: int) -> None:
        self.stream, self.identity, self.top_k = stream, identity, top_k

    @abstractmethod
    def write(self, answers: Iterable[Answer]) -> None:
        """Write some answers."""

    def finish(self) -> None:
        """Write what follows the last answer, if anything does."""
        return


class TableWriter(Writer):
    """Tables for people, of `TABLE` images each."""

    def __init__(self, stream: TextIO, identity: dict[str, str], top_k: int) -> None:
        super().__init__(stream, identity, top_k)
        self._waiting: list[Answer] = []

    def write(self, answers: Iterable[Answer]) -> None:
        self._waiting += answers
        while len(self._waiting) >= TABLE:
            self._print(self._waiting[:TABLE])
            self._waiting = self._waiting[TABLE:]

    def finish(self) -> None:
        if self._waiting:
            self._print(self._waiting)

    def _print(self, answers: Iterable[Answer]) -> None:
        table = Table("image", "class", "probability", title=self.identity["name"])
        for answer in answers:
            for rank, share in enumerate(answer.classes):
                table.add_row("" if rank else answer.file, share.label, f"{share.probability:.1%}")
            table.add_section()
        Terminal(folded=True).print(table)


class JsonWriter(Writer):
    """One JSON value with the model and all results, like the answer of the server's `/classify`."""

    _started = False

    def write(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            if not self._started:
                model = indent(json.dumps(self.identity, indent=2), "  ").lstrip()
                self.stream.write(f'{{\n  "model": {model},\n  "results": [\n')
            self.stream.write(",\n" * self._started + indent(_json(answer.to_json(), self.stream, 2), "    "))
            self._started = True

    def finish(self) -> None:
        if self._started:
            self.stream.write("\n  ]\n}\n")


class JsonLinesWriter(Writer):
    """A line of JSON per image."""

    def write(self, answers: Iterable[Answer]) -> None:
        self.stream.writelines(f"{_json(answer.to_json(), self.stream)}\n" for answer in answers)


class CsvWriter(Writer):
    """A line of CSV per image: its file, then each class with its probability, the most probable one first.

    The columns are called `file`, `label`, `probability`, `label_2`, `probability_2`, ..., so that the table can be
    the labels of a data set.
    """

    def __init__(self, stream: TextIO, identity: dict[str, str], top_k: int) -> None:
        super().__init__(stream, identity, top_k)
        self._csv = csv.writer(stream, lineterminator="\n")
        numbers = ["", *(f"_{number}" for number in range(2, top_k + 1))]
        self._csv.writerow(["file", *(f"{name}{number}" for number in numbers for name in ("label", "probability"))])

    def write(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            shares = ((share.label, f"{share.probability:.6g}") for share in answer.classes)
            self._csv.writerow([answer.file, *(value for share in shares for value in share)])


WRITERS: Mapping[str, type[Writer]] = {
    "table": TableWriter,
    "--json": JsonWriter,
    "--csv": CsvWriter,
    "--jsonl": JsonLinesWriter,
}
"""Writers by the option that chooses them."""


@contextmanager
def opened(output: Path) -> Iterator[TextIO]:
    """The stream of an output file, or standard output for `-`; names of files keep their bytes.

    Raises:
        InputError: it cannot be opened.
    """
    if output == STANDARD_OUTPUT:
        yield sys.stdout
        return
    with writing(output):
        stream = output.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    try:
        yield stream
    finally:
        with writing(output):  # what could not be written before is tried again
            stream.close()


def naming_output(output: Path) -> AbstractContextManager[None]:
    """Context in which an output is written: errors name it, except those of standard output."""
    return nullcontext() if output == STANDARD_OUTPUT else writing(output)


def _json(value: Any, stream: TextIO, spaces: int | None = None) -> str:
    """A value as JSON; characters that the stream cannot represent, or that a terminal obeys, are escaped."""
    text = json.dumps(value, indent=spaces, ensure_ascii=False)
    plain = text.replace("\n", "").isprintable() and encodable(text, stream.encoding)
    return text if plain else json.dumps(value, indent=spaces)
