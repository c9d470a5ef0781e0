"""Type-checked fields of untrusted JSON objects."""

from collections.abc import Mapping
from reprlib import repr as short
from typing import Any, TypeVar

from zoo.errors import InputError

_KINDS = {dict: "an object", list: "an array", str: "a string", int: "an integer", bool: "true or false"}

T = TypeVar("T")


def field(holder: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """Value of a field; None if it is null or missing.

    Raises:
        InputError: the value has another type.
    """
    value = holder.get(name)
    # Not `isinstance`, for which true is an integer.
    if value is not None and type(value) is not kind:
        raise InputError(f"{name} = {short(value)}: must be {_KINDS[kind]}")
    return value
