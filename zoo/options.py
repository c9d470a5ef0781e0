"""Command-line options: those shared by several commands, and those generated from the fields of a frozen dataclass.

A generated option has its default and its help text in one place, on the field.
"""

import functools
import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from zoo.errors import InputError, close_names

T = TypeVar("T")

API_KEY_VARIABLE = "ZOO_CLIENT_API_KEY"
"""Environment variable with the API key for `--server`; not that of the server's own keys, `ZOO_API_KEYS`."""

DATA_VARIABLE = "ZOO_DATA"
"""Environment variable with the folder whose sub-folders are data sets by name, such as `cifar10`."""


def path_option(*flags: str, **settings: Any) -> Any:
    """`typer.Option` for a path; a leading `~` or `~USER` is expanded."""
    return typer.Option(*flags, parser=parse_path, **settings)


def path_argument(**settings: Any) -> Any:
    """`typer.Argument` for a path; a leading `~` or `~USER` is expanded."""
    return typer.Argument(parser=parse_path, **settings)


def data_option(**settings: Any) -> Any:
    """`typer.Option` for a data set: a name, or a path whose leading `~` or `~USER` is expanded."""
    return typer.Option(parser=parse_data, **settings)


def model_option(**settings: Any) -> Any:
    """`typer.Option` for a model."""
    return typer.Option("--model", "-m", help=f"Model: {_REFERENCE}", **settings)


def parse_data(text: str) -> str:
    """A path whose leading `~` or `~USER` is expanded; a name, a URL, or `-` for standard input, as it is."""
    return str(parse_path(text)) if text.startswith("~") else text


def parse_path(text: str | os.PathLike[str]) -> Path:
    # Imported late: commands without file arguments start without NumPy.
    from zoo.files import expand_path

    try:
        return expand_path(os.fspath(text))
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


_REFERENCE = "VARIANT, VARIANT.DATA, local-dir:PATH or hf-hub:ORG/NAME@REVISION; see `zoo --help`."

Model = Annotated[str, model_option()]
ModelArgument = Annotated[str, typer.Argument(help=f"Model: {_REFERENCE}", show_default=False)]

Image = Annotated[Path, path_argument(help="Image file.", show_default=False)]

Data = Annotated[
    str,
    data_option(
        help="Data set: a folder with one sub-folder per class (optionally below folders of splits such as train and "
        "test), a CSV or JSON Lines file of paths and labels, a folder with metadata.csv or metadata.jsonl or with "
        "Parquet files as on the Hub, the id of a data set there (uoft-cs/cifar10), the name of a folder in "
        "$ZOO_DATA, or cifar10, cifar100 or mini-imagenet, which are downloaded."
    ),
]

SPLITS = "test, validation or held-out (the training images that `zoo train --hold-out` did not train on)"
"""The splits to measure on, for help texts; some commands also take `train`."""

Images = Annotated[
    list[str] | None,
    typer.Argument(
        parser=parse_data,
        metavar="IMAGES...",
        help="Image files, folders of images with all folders below them, http and https URLs, or - for an image on "
        "standard input.",
        show_default=False,
    ),
]
FromFile = Annotated[
    Path | None,
    path_option("--from-file", help="File with further paths and URLs, one per line (- for standard input)."),
]
Unreadable = Annotated[
    Literal["stop", "skip"],
    typer.Option(
        help="What to do with images that cannot be read: leave them out, and list them at the end with exit status 1, "
        "or stop at the first and write nothing."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RecordOption = Annotated[bool, typer.Option("--record", help="Write the result to the model directory.")]


def option(
    default: T,
    explanation: str,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
    *,
    shown: str | None = None,
    group: str | None = None,
) -> T:
    """A dataclass field that is also a command-line option, whose help also shows the default and the bounds.

    Arguments:
        default, explanation: default value and help text of the option.
        least, most, below: bounds of a number, checked by `require_bounds`; `below` is exclusive. Without `least`, the
            number must be above 0.
        shown: the default in words, if it depends on the machine.
        group: title in the help of this option and of the following ones, up to the next title.
    """
    bounds = {"least": least, "most": most, "below": below}
    return field(default=default, metadata={"help": explanation, "shown": shown, "group": group, **bounds})


def default_text(item: Field[Any]) -> str:
    """The default value of an option, as users read it; empty if there is none."""
    return item.metadata["shown"] or _text(item.default)


def bounds_text(item: Field[Any]) -> str:
    """The bounds of a number in typer's notation, such as `0<=x<1`; empty for other options."""
    if isinstance(item.default, bool) or not isinstance(item.default, int | float):
        return ""
    least, most, below = (item.metadata[bound] for bound in ("least", "most", "below"))
    high = f"<={most}" if most else f"<{below}" if below else ""
    if not high:
        return "x>0" if least is None else f"x>={least}"
    return f"{'0<' if least is None else f'{least}<='}x{high}"


def require_bounds(config: Any) -> None:
    """Check the numeric fields of a dataclass against the bounds of their options.

    Raises:
        InputError: a value is out of bounds; names the field, the value and the bounds.
    """
    for item in _options(config):
        value = getattr(config, item.name)
        least, most, below = (item.metadata[bound] for bound in ("least", "most", "below"))
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        # An integer may be too large for a float.
        finite = isinstance(value, int) or math.isfinite(value)
        high_enough = value > 0 if least is None else value >= least
        if not (finite and high_enough and value <= (most or value) and (below is None or value < below)):
            bounds = "above 0" if least is None else f"at least {least:,}"
            bounds += f" and at most {most:,}" if most else f" and below {below:,}" if below else ""
            raise InputError(f"{item.name} = {value}: must be {'' if finite else 'a finite number, '}{bounds}")


def unknown_variables(config: type[Any], prefix: str, others: Iterable[str] = ()) -> list[str]:
    """Environment variables with a prefix that match no option, such as those of other programs.

    Arguments:
        config: the dataclass of the options.
        prefix: prefix of the variables.
        others: known variables that are not options.

    Raises:
        InputError: a variable looks like a misspelt option.
    """
    known = {*others, *(f"{prefix}{item.name.upper()}" for item in _options(config))}
    unknown = sorted(name for name in os.environ if name.startswith(prefix) and name not in known)
    for name in unknown:
        options = [each.removeprefix(prefix) for each in known]
        if close := close_names(name.removeprefix(prefix), options, likeness=0.7):
            raise InputError(
                f"unknown environment variable {name}; did you mean {prefix}{close[0]}? Otherwise unset it"
            )
    return unknown


def with_options(config: type[Any], environment: str | None = None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Decorator that gives a command an option per field of a dataclass, and the dataclass itself as first argument.

    A tuple becomes a repeatable option. A field without `option` has no flag.

    Arguments:
        config: the dataclass.
        environment: prefix of environment variables that also set the options; None for no such variables.
    """
    hints, made = get_type_hints(config), []
    for group, item in _grouped(config):
        default, bounds = default_text(item), bounds_text(item)
        notes = [f"default: {default}" if default else "", bounds]
        made.append(_parameter(item, hints[item.name], item.default, notes, group, environment))
    return _with_parameters(made, lambda values: config(**values))


def with_changes(config: type[Any], named: Mapping[str, Any], default: str) -> Callable[..., Callable[..., T]]:
    """`with_options` for changes to one of several configurations: the first argument is a dictionary of them.

    Arguments:
        config: the dataclass.
        named: configurations by name, whose values the help shows as the defaults.
        default: name of the configuration that is changed by default.
    """
    hints, made = get_type_hints(config), []
    for group, item in _grouped(config):
        names: dict[str, list[str]] = {}
        for name in (default, *named):
            names.setdefault(_text(getattr(named[name], item.name)) or "none", []).append(name)
        usual, *others = names
        special = [f"{value} with {' and '.join(names[value])}" for value in others]
        notes = [f"default: {', '.join([usual, *special])}", bounds_text(item)]
        made.append(_parameter(item, hints[item.name], None, notes, group))
    return _with_parameters(
        made, lambda values: {name: value for name, value in values.items() if value not in (None, ())}
    )


def _options(config: Any) -> list[Field[Any]]:
    return [item for item in fields(config) if "help" in item.metadata]


def _grouped(config: Any) -> Iterator[tuple[str | None, Field[Any]]]:
    """The options with their groups in the help."""
    group = None
    for item in _options(config):
        group = item.metadata["group"] or group
        yield group, item


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and value and value % 2**20 == 0:
        return f"{value} ({value // 2**20} MiB)"
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _with_parameters(
    made: list[inspect.Parameter], first_argument: Callable[[dict[str, Any]], Any]
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Decorator that adds parameters to a command and passes their values as its first argument."""

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        others = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        @functools.wraps(command)
        def with_config(**values: Any) -> T:
            chosen = {item.name: values.pop(item.name) for item in made}
            tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
            return command(first_argument(tuples), **values)

        parameters = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in (*others, *made)]
        del with_config.__wrapped__
        with_config.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_config.__annotations__ = {item.name: item.annotation for item in parameters}
        return with_config

    return decorate


def _parameter(
    item: Field[Any],
    hint: Any,
    default: Any,
    notes: Iterable[str],
    group: str | None = None,
    environment: str | None = None,
) -> inspect.Parameter:
    """The option of a field; with the default None, it may be left out. The notes end its help."""
    kind = list[get_args(hint)[0]] if get_origin(hint) is tuple else hint  # type: ignore[misc]
    settings = typer.Option(
        help=f"{item.metadata['help']}  [{'; '.join(filter(None, notes))}]".removesuffix("  []"),
        show_default=False,
        envvar=environment and f"{environment}{item.name.upper()}",
        rich_help_panel=group,
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=list(default) if isinstance(default, tuple) else default,
        annotation=Annotated[kind if default is not None else kind | None, settings],
    )
