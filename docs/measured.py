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
"""Batch sizes of the tables that show only one."""

Row = Mapping[str, Any]
"""Measurement of one contender at one batch size."""


def results() -> dict[str, Any]:
    """The measurements by variant, in the order of the registry; empty without a record."""
    measured = _record().get("variants", {})
    return {name: measured[name] for name in list_models() if name in measured}


def contenders(variant: str, batch: str) -> dict[str, Row]:
    """Measurements of a variant at one batch size, by contender; empty if there are none."""
    rows: dict[str, Row] = results()[variant]["batches"].get(batch, {}).get("contenders", {})
    return rows


def semantics_costs() -> dict[str, Any]:
    """Cost of the semantic block, by variant."""
    costs: dict[str, Any] = _record().get("semantics", {})
    return costs


@cache
def _record() -> dict[str, Any]:
    record: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    return record
