"""Fields of JSON objects that anybody may have written."""

from collections.abc import Mapping
from reprlib import repr as short
from typing import Any, TypeVar

from zoo.errors import InputError

_KINDS = {dict: "an object", list: "an array", str: "a string", int: "a whole number", bool: "true or false"}

T = TypeVar("T")


def field(holder: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """The value of a field; None where it is null or not there.

    Raises:
        InputError: it is of another kind.
    """
    value = holder.get(name)
    # Not `isinstance`: true is no number.
    if value is not None and type(value) is not kind:
        raise InputError(f"{name} = {short(value)}: it must be {_KINDS[kind]}")
    return value
