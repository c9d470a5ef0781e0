"""The file of `zoo faithfulness`: a record a model."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo.errors import InputError
from zoo.files import write_json, writing

MEASURES: Mapping[str, str] = MappingProxyType({"deletion": "less", "insertion": "more", "mass": "more", "hit": "more"})
"""What is measured, and whether less of it is better, or more."""


def read_record(file: Path) -> dict[str, Any]:
    """The models' records by name; empty if there is no file yet.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    if not file.exists():
        return {}
    try:
        record = json.loads(file.read_bytes())
        models = record["models"]
        if all(isinstance(one, dict) for one in models.values()):
            return dict(models)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise InputError(f"{file} is not a record of `zoo faithfulness`; move it away, or choose another file with -o")


def write_record(file: Path, models: dict[str, Any]) -> None:
    """Write the models' records.

    Raises:
        InputError: the file cannot be written.
    """
    with writing(file):
        write_json(file, {"models": models})
