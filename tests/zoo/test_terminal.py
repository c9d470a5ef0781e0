import io
import json
import sys
from pathlib import Path

import pytest
from rich.table import Table

from zoo.terminal import Terminal, discard_unwritten, escape_unencodable, print_error, print_json

HOSTILE = "\x1b[2J[bold]:cat:\udce9"
SHOWN = r"\x1b[2J[bold]:cat:\xe9"


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().print(HOSTILE)
    assert capsys.readouterr().out == f"{SHOWN}\n"


def test_paths_too(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().print(Path(HOSTILE))
    assert capsys.readouterr().out == f"{SHOWN}\n"


def test_names_in_tables_too(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE)
    Terminal(folded=True).print(table)
    assert capsys.readouterr().out.count(SHOWN) == 4


def test_names_in_errors_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(HOSTILE)
    assert capsys.readouterr().err == f"error: {SHOWN}\n"


def test_lines_are_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().print("long " * 100)
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("value", ["猫 ö", "\udce9", "\x9b31m", "\x1b"])
def test_json_can_be_read_in_any_encoding(value: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    escape_unencodable()
    print_json({"file": value})
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding)) == {"file": value}
    assert b"\x9b" not in written.getvalue()


def test_json_stays_readable_where_it_can(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("猫")
    assert capsys.readouterr().out == '"猫"\n'


def test_without_an_output_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    escape_unencodable()
    print_json(1)
    Terminal().print("text")
    discard_unwritten()
