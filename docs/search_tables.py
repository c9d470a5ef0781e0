"""The table of docs/embeddings.md: what benchmarks/search.py measured."""

import json
from collections.abc import Callable
from pathlib import Path

from zoo.reporting import markdown

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks/results/search.json"
NOT_MEASURED = "Not measured yet: `OPENBLAS_NUM_THREADS=1 python benchmarks/search.py`, then `make docs`."


def search() -> str:
    """Time of a search by the size of the embeddings."""
    if not RESULTS.is_file():
        return NOT_MEASURED
    record = json.loads(RESULTS.read_text())
    rows = []
    for size, own in record["report"].items():
        single, half = own["medians"]["float32"], own["medians"]["float16"]
        times = (single["cpu_seconds"], single["seconds"], half["cpu_seconds"])
        rows.append([size, *(f"{1000 * time:.1f}" for time in times), f"{own['half_precision_agreement']:.1%}"])
    headings = ["D", "CPU time, ms", "wall time, ms", "half precision, CPU time, ms", "same nearest in half precision"]
    machine = record["machine"]
    return (
        f"{markdown(headings, 'rrrrr', rows)}\n\n{record['images']:,} random vectors, the ten nearest of one query; "
        f"medians of {record['repeats']} queries on one core of {machine['processor']}, at a load of "
        f"{machine['load']} on {machine['cores']} cores."
    )


SEARCH: dict[str, Callable[[], str]] = {"search": search}
"""Tables of the page, by the names of their markers."""
