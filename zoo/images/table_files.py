"""Reading of CSV and JSON Lines files."""

import csv
import json
from collections.abc import Mapping, Set
from typing import Any, TextIO

from zoo.errors import DataError, reason_of
from zoo.printable import printable

SUFFIXES = (".csv", ".tsv", ".jsonl")

_DELIMITERS = (",", ";", "\t")

Fields = Mapping[str, Any]
"""Values of a line by column."""


def read_table(file: str, known: Set[str]) -> tuple[tuple[str, ...], list[tuple[int, Fields]]]:
    """Read a table: JSON Lines if the file is called `.jsonl`, otherwise CSV with a line of column names.

    Arguments:
        file: path of the file.
        known: names of columns in lower case; the delimiter of a CSV file is the one that separates most of them.

    Returns:
        The columns, and the other lines with their numbers, without empty ones.

    Raises:
        DataError: it cannot be read, or a line is malformed; names the line.
    """
    shown = printable(file)
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            return (
                _read_json_lines(stream, shown) if file.lower().endswith(".jsonl") else _read_csv(stream, shown, known)
            )
    except OSError as error:
        raise DataError(f"cannot read {shown}: {reason_of(error)}") from None
    except UnicodeDecodeError:
        raise DataError(f"{shown} is not UTF-8; save it as UTF-8") from None


def _read_csv(stream: TextIO, shown: str, known: Set[str]) -> tuple[tuple[str, ...], list[tuple[int, Fields]]]:
    heading = stream.readline()
    stream.seek(0)

    def recognised(delimiter: str) -> int:
        return sum(name.strip('" \r\n').lower() in known for name in heading.split(delimiter))

    reader = csv.reader(stream, delimiter=max(_DELIMITERS, key=recognised), strict=True)
    lines: list[tuple[int, Fields]] = []
    try:
        columns = tuple(next(reader, ()))
        for fields in reader:
            if len(fields) not in (0, len(columns)):
                raise DataError(
                    f"{shown}, line {reader.line_num}, has {len(fields)} fields, but the first line has "
                    f"{len(columns)}; put values that contain a comma in double quotes"
                )
            if fields:
                lines.append((reader.line_num, dict(zip(columns, fields, strict=True))))
    except csv.Error as error:
        raise DataError(f"{shown}, line {reader.line_num}: {error}; save it as CSV") from None
    return columns, lines


def _read_json_lines(stream: TextIO, shown: str) -> tuple[tuple[str, ...], list[tuple[int, Fields]]]:
    lines: list[tuple[int, Fields]] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            raise DataError(f"{shown}, line {number}, is not JSON; give an object per line") from None
        if not isinstance(fields, dict):
            raise DataError(f"{shown}, line {number}, is not an object; give one per line")
        columns |= dict.fromkeys(fields)
        lines.append((number, fields))
    return tuple(columns), lines
