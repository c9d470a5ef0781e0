"""Command-line options made from the fields of a frozen dataclass: a default and its explanation stand in one place."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, field, fields
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer

T = TypeVar("T")


def option(default: T, explanation: str) -> T:
    """A dataclass field that is also a command-line option."""
    return field(default=default, metadata={"help": explanation})


def with_options(config: type[Any], environment: str | None = None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Give a command an option for each field of a dataclass, and the dataclass made from them as first argument.

    A tuple becomes an option that may be given several times. A field without `option` has no flag.

    Arguments:
        config: the dataclass.
        environment: prefix of environment variables that set the options too; None for no such variables.
    """
    hints = get_type_hints(config)
    own = {item.name: item for item in fields(config) if "help" in item.metadata}

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        others = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        made = [_parameter(item, hints[item.name], environment) for item in own.values()]

        @functools.wraps(command)
        def with_config(**values: Any) -> T:
            chosen = {name: values.pop(name) for name in own}
            settings = config(**{name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items()})
            return command(settings, **values)

        parameters = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in (*others, *made)]
        del with_config.__wrapped__
        with_config.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_config.__annotations__ = {item.name: item.annotation for item in parameters}
        return with_config

    return decorate


def _parameter(item: Field[Any], hint: Any, environment: str | None) -> inspect.Parameter:
    several = get_origin(hint) is tuple
    default: Any = item.default
    settings = typer.Option(help=item.metadata["help"], envvar=environment and f"{environment}{item.name.upper()}")
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=list(default) if several else default,
        annotation=Annotated[list[get_args(hint)[0]] if several else hint, settings],  # type: ignore[misc]
    )
