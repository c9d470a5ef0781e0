"""What `zoo faithfulness` prints."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rich.table import Table

HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "deletion": "deletion, less is better",
        "insertion": "insertion, more",
        "mass": "mass on its quadrant, more",
        "hit": "maximum on it, more",
    }
)


def faithfulness_table(name: str, record: Mapping[str, Any]) -> Table:
    """The means with their intervals, a row a method."""
    side, mosaic_side = record["image_size"], record["mosaic_size"]
    about = (
        f"{record['images']} {record['split']} images of {record['data']} at {side} x {side}, seed "
        f"{record['protocol']['seed']}"
    )
    if record["mosaics"]:
        about += f"; {record['mosaics']} mosaics at {mosaic_side} x {mosaic_side}"
    table = Table("method", title=f"{name}: {about}", caption="95% bootstrap intervals")
    measured = next(iter(record["methods"].values()))
    for measure, heading in HEADINGS.items():
        if measure in measured:
            table.add_column(heading, justify="right")
    for method, measures in record["methods"].items():
        cells = (f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in measures.values())
        table.add_row(method, *cells)
    return table
