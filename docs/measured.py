"""What benchmarks/inference.py measured on the CPU, for the tables and the image of docs/performance.md."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from zoo.registry import list_models

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/inference.json"
IMAGE = "performance.svg"

LATENCY, COMPARED = "1", "64"
"""Images in the batches that the tables of one batch show."""

Row = Mapping[str, Any]
"""What was measured of a contender with one batch."""


def results() -> dict[str, Any]:
    """The measurements by variant, in the order of the registry; empty where there are none."""
    measured = _record().get("variants", {})
    return {name: measured[name] for name in list_models() if name in measured}


def contenders(variant: str, batch: str) -> dict[str, Row]:
    """What was measured of a variant with a batch, by contender; empty where nothing was."""
    rows: dict[str, Row] = results()[variant]["batches"].get(batch, {}).get("contenders", {})
    return rows


def semantics_costs() -> dict[str, Any]:
    """What the semantic block costs, by variant."""
    costs: dict[str, Any] = _record().get("semantics", {})
    return costs


@cache
def _record() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    return record
