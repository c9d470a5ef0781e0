"""The tables of docs/classify.md: the image formats, and what benchmarks/classify_folder.py measured."""

import json
from collections.abc import Callable
from pathlib import Path

from zoo.images.formats import FORMATS
from zoo.reporting import markdown

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks/results/classify_folder.json"
NOT_MEASURED = "Not measured yet: `python benchmarks/classify_folder.py`, then `make docs`."


def formats() -> str:
    """The image formats that are read."""
    rows = [
        [
            each.name,
            ", ".join(f"`{suffix}`" for suffix in each.suffixes),
            ", ".join(f"`{kind}`" for kind in each.media_types),
            each.remark,
            f"`{each.extra}`" if each.extra else "",
        ]
        for each in FORMATS
    ]
    return markdown(["format", "file names", "media types", "what is read", "needs"], "lllll", rows)


def folder() -> str:
    """Speed and memory of each contender."""
    if not RESULTS.is_file():
        return NOT_MEASURED
    record = json.loads(RESULTS.read_text())
    rows = []
    for name, own in record["report"].items():
        peaks = [f"{size / 2**20:.0f}" for size in own["peak_bytes"].values()]
        speeds = (own["images_per_second"], own["images_per_second_without_start"])
        rows.append([name, *(f"{speed:.0f}" for speed in speeds), f"{own['cpu_ms_per_image']:.2f}", *peaks])
    counts = list(record["turns"]["zoo classify"])
    headings = ["", "images/s", "without the start", "CPU time per image, ms"]
    memory = [f"peak memory, MiB, {int(count):,} images" for count in counts]
    machine = record["machine"]
    return (
        f"{markdown([*headings, *memory], 'lrrrrr', rows)}\n\n`{record['model']}`, fp32, medians of "
        f"{record['repeats']} turns on {machine['cores']} cores of {machine['processor']}, load {machine['load']}."
    )


CLASSIFY: dict[str, Callable[[], str]] = {"formats": formats, "folder": folder}
"""Tables of the page, by the names of their markers."""
