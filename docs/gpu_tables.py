"""The tables of docs/gpu.md: what was measured on a GPU."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from measured import ROOT
from serving_measured import DETAILED, closed_loop

from zoo.registry import list_models
from zoo.reporting import markdown

NOT_MEASURED = "Not measured yet: `make gpu` on a machine with a GPU, then `make docs`."


def machines() -> str:
    """The GPU, driver and libraries of each measurement."""
    measured = {f"inference, `{name}`": result for name, result in _inference().items()}
    measured |= {"training": _record("training_speed"), "serving": _record("serving")}
    rows = []
    for name, result in measured.items():
        if gpu := result.get("machine", {}).get("gpu"):
            libraries = ", ".join(f"{library} {version}" for library, version in gpu["libraries"].items())
            rows.append([name, gpu["name"], f"{gpu['memory'] / 2**30:.0f}", gpu["driver"] or "", libraries])
    return _table(["measurement", "GPU", "memory, GiB", "driver", "libraries"], "llrll", rows)


def inference() -> str:
    """Images per second of each contender: one column per batch size."""
    sizes = sorted({int(batch) for result in _inference().values() for batch in result["batches"]})
    rows = []
    for variant, result in _inference().items():
        measured = {size: result["batches"].get(str(size), {}).get("contenders", {}) for size in sizes}
        for name in dict.fromkeys(name for contenders in measured.values() for name in contenders):
            found = [contenders.get(name) for contenders in measured.values()]
            precision = next(row["precision"] for row in found if row)
            rows.append([f"`{variant}`", name, precision, *(_speed(row) for row in found)])
    headings = ["variant", "contender", "precision", *(f"batch {size}" for size in sizes)]
    return _table(headings, "lll" + "r" * len(sizes), rows)


def serving() -> str:
    """Requests per second and latencies of each server: one column per number of clients."""
    clients = _record("serving").get("closed", {}).get(DETAILED, {})
    loops = [closed_loop(_record("serving"), DETAILED, count) for count in clients]
    rows = [
        [name, *(_requests(loop.get(name)) for loop in loops)]
        for name in dict.fromkeys(name for loop in loops for name in loop)
    ]
    return _table(["server", *(f"{count} clients" for count in clients)], "l" + "r" * len(loops), rows)


GPU: dict[str, Callable[[], str]] = {"gpu-machines": machines, "gpu-inference": inference, "gpu-serving": serving}
"""Tables of the page, by the names of their markers."""


def _inference() -> dict[str, Any]:
    """Measurements by variant, in the order of the registry."""
    measured = _record("inference").get("variants", {})
    return {name: measured[name] for name in list_models() if name in measured}


def _speed(row: Any) -> str:
    return f"{row['images_per_second']:,.0f}" if row else ""


def _requests(row: Any) -> str:
    if row is None:
        return ""
    latency = f" (p50 {row.latency['p50']:.1f} ms, p99 {row.latency['p99']:.1f} ms)" if row.latency else ""
    return f"{row.requests_per_second:,.0f}{latency}"


@cache
def _record(name: str) -> dict[str, Any]:
    file = ROOT / f"benchmarks/results/{name}.cuda.json"
    record: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return record


def _table(headings: list[str], alignment: str, rows: list[list[str]]) -> str:
    return markdown(headings, alignment, rows) if rows else NOT_MEASURED
