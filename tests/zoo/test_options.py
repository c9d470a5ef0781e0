from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner, Result

from zoo.errors import InputError
from zoo.help import Program
from zoo.options import bounds_text, option, require_bounds, unknown_variables, with_changes, with_options


@dataclass(frozen=True)
class Kitchen:
    guests: int = option(4, "How many eat.")
    dish: Literal["soup", "pie"] = option("soup", "What they eat.")
    salt: bool = option(True, "Whether there is salt.")
    hours: tuple[int, ...] = option((12, 18), "When they eat.")
    secret: str = "no flag"

    def __post_init__(self) -> None:
        if self.guests < 1:
            raise InputError(f"guests = {self.guests}: must be above 0")


@pytest.fixture
def cook() -> Callable[..., tuple[Result, list[object]]]:
    """Run a program with the options, and see what its command was called with."""

    def run(*arguments: str, environment: dict[str, str] | None = None) -> tuple[Result, list[object]]:
        app, calls = Program(rich_markup_mode=None), []

        @app.command()
        @with_options(Kitchen, environment="KITCHEN_")
        def command(kitchen: Kitchen, where: str, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
            """Cook a meal."""
            calls.extend([kitchen, where, loud])

        return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **(environment or {})}), calls

    return run


Cook = Callable[..., tuple[Result, list[object]]]


def test_defaults_come_from_the_dataclass(cook: Cook) -> None:
    result, calls = cook("home")
    assert result.exit_code == 0, result.output
    assert calls == [Kitchen(), "home", False]


def test_every_field_has_an_option(cook: Cook) -> None:
    _, calls = cook("--guests", "2", "--dish", "pie", "--no-salt", "--hours", "9", "--hours", "21", "home", "--loud")
    assert calls == [Kitchen(2, "pie", False, (9, 21)), "home", True]


def test_variables_set_options_and_flags_win(cook: Cook) -> None:
    variables = {"KITCHEN_GUESTS": "7", "KITCHEN_DISH": "pie"}
    assert cook("home", environment=variables)[1][0] == Kitchen(7, "pie")
    assert cook("--guests", "3", "home", environment=variables)[1][0] == Kitchen(3, "pie")


def test_a_value_that_is_not_a_choice(cook: Cook) -> None:
    result, calls = cook("--dish", "cake", "home")
    assert result.exit_code == 2
    assert "'soup', 'pie'" in result.output
    assert calls == []


def test_the_dataclass_checks_the_values(cook: Cook) -> None:
    result, calls = cook("--guests", "0", "home")
    assert isinstance(result.exception, InputError)
    assert calls == []


def test_a_field_without_an_explanation_has_no_flag(cook: Cook) -> None:
    assert cook("--secret", "x", "home")[0].exit_code == 2


def test_help_shows_explanations_and_defaults(cook: Cook) -> None:
    output = cook("--help")[0].output
    for text in ("Cook a meal.", "How many eat. [default: 4; x>0; env var: KITCHEN_GUESTS]", "default: 12 18"):
        assert text in " ".join(output.split())


def test_help_shows_the_defaults_of_named_configurations() -> None:
    app = Program(rich_markup_mode=None)
    named = {"feast": Kitchen(guests=9, salt=False), "plain": Kitchen(), "party": Kitchen(guests=9)}

    @app.command()
    @with_changes(Kitchen, named, "plain")
    def command(changes: dict[str, Any]) -> None:
        print(changes)

    output = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    for note in ("[default: 4, 9 with feast and party; x>0]", "[default: on, off with feast]", "[default: soup]"):
        assert note in output
    assert CliRunner().invoke(app, ["--guests", "5"]).output == "{'guests': 5}\n"


@dataclass(frozen=True)
class Oven:
    degrees: float = option(180, "How hot it is.", least=50, most=1200)
    hours: float = option(1, "How long.", most=24)


@dataclass(frozen=True)
class Pantry:
    shelves: float = option(3, "How many there are.", least=0)
    full: float = option(0.5, "How much of them is used.", least=0, below=1)
    locked: bool = option(False, "Whether it is locked.")


def test_an_integer_that_no_float_can_be() -> None:
    require_bounds(Pantry(10**400))


def test_bounds_in_words() -> None:
    assert [bounds_text(item) for item in fields(Oven)] == ["50<=x<=1200", "0<x<=24"]
    assert [bounds_text(item) for item in fields(Pantry)] == ["x>=0", "0<=x<1", ""]


@pytest.mark.parametrize("degrees", [50, 1200, 99.5])
def test_numbers_within_their_bounds(degrees: float) -> None:
    require_bounds(Oven(degrees))


@pytest.mark.parametrize(
    ("oven", "message"),
    [
        (Oven(49), "degrees = 49: must be at least 50 and at most 1,200"),
        (Oven(1201), "degrees = 1201: must be at least 50 and at most 1,200"),
        (Oven(float("nan")), "degrees = nan: must be a finite number, at least 50 and at most 1,200"),
        (Pantry(float("inf")), "shelves = inf: must be a finite number, at least 0$"),
        (Oven(hours=0), "hours = 0: must be above 0 and at most 24"),
    ],
)
def test_numbers_beyond_their_bounds(oven: Oven, message: str) -> None:
    with pytest.raises(InputError, match=message):
        require_bounds(oven)


def test_a_variable_with_a_mistake_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KITCHEN_GUESTS", "KITCHEN_CAT", "KITCHEN_PORT_80_TCP_ADDR"):
        monkeypatch.setenv(name, "1")
    assert unknown_variables(Kitchen, "KITCHEN_", ["KITCHEN_CAT"]) == ["KITCHEN_PORT_80_TCP_ADDR"]
    monkeypatch.setenv("KITCHEN_GUEST", "1")
    with pytest.raises(InputError, match="KITCHEN_GUEST; did you mean KITCHEN_GUESTS\\?"):
        unknown_variables(Kitchen, "KITCHEN_", ["KITCHEN_CAT"])
