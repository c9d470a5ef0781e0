"""Output of `zoo faithfulness`: the JSON record of each model, and the printed table."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.table import Table

from zoo.errors import InputError, reason_of
from zoo.files import write_json, writing

BETTER_DIRECTION: Mapping[str, str] = MappingProxyType(
    {
        "deletion": "lower",
        "deletion_blurred": "lower",
        "insertion": "higher",
        "insertion_colour": "higher",
        "mass": "higher",
        "hit": "higher",
    }
)
"""Measures, and whether lower or higher values are better."""

HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "deletion": "deletion (lower is better)",
        "deletion_blurred": "deletion, blurred (lower)",
        "insertion": "insertion (higher)",
        "insertion_colour": "insertion, mean colour (higher)",
        "mass": "mass in quadrant (higher)",
        "hit": "maximum in quadrant (higher)",
    }
)


def read_measurements(file: Path) -> dict[str, Any]:
    """Read the models' records by name; empty if the file does not exist.

    Raises:
        InputError: the file cannot be read, or is not such a record.
    """
    if not file.exists():
        return {}
    try:
        record = json.loads(file.read_bytes())
        models = record["models"]
        if all(isinstance(one, dict) for one in models.values()):
            return dict(models)
    except OSError as error:
        raise InputError(f"cannot read {file}: {reason_of(error)}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise InputError(f"{file} is not a record of `zoo faithfulness`; remove it, or choose another file with --output")


def write_measurements(file: Path, models: dict[str, Any]) -> None:
    """Write the models' records.

    Raises:
        InputError: the file cannot be written.
    """
    with writing(file):
        write_json(file, {"models": models})


def measurement_table(name: str, record: Mapping[str, Any]) -> Table:
    """Table of the means with their intervals, one row per method."""
    side, mosaic_side = record["image_size"], record["mosaic_size"]
    title = (
        f"{record['images']} {record['split']} images of {record['data']} at {side} x {side}, seed "
        f"{record['protocol']['seed']}"
    )
    if record["mosaics"]:
        title += f"; {record['mosaics']} mosaics at {mosaic_side} x {mosaic_side}"
    table = Table("method", title=f"{name}: {title}", caption="95% intervals")
    measured = next(iter(record["methods"].values()))
    for measure, heading in HEADINGS.items():
        if measure in measured:
            table.add_column(heading, justify="right")
    for method, measures in record["methods"].items():
        cells = (f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in measures.values())
        table.add_row(method, *cells)
    return table
