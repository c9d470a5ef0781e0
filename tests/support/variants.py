"""Variants that differ in structure: all others have as many or more blocks of the same kind."""

from zoo.registry import info, list_models


def _one_of_each() -> tuple[str, ...]:
    found = {(info(name).builder, info(name).mechanism): name for name in reversed(list_models())}
    return tuple(reversed(found.values()))


STRUCTURES = _one_of_each()
