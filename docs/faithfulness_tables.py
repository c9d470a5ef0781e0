"""The tables of docs/explain.md and of benchmarks/results/faithfulness.md, from what `zoo faithfulness` measured."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from explain.faithfulness.record import BETTER_DIRECTION, read_measurements
from zoo.reporting import markdown

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks/results/faithfulness.json"
NOT_MEASURED = "Not measured yet: `zoo faithfulness --data cifar10 -o benchmarks/results/faithfulness.json`."

HEADINGS = {
    "deletion": "deletion",
    "deletion_blurred": "deletion, blurred",
    "insertion": "insertion",
    "insertion_colour": "insertion, mean colour",
    "mass": "mass",
    "hit": "maximum",
}
"""Names of the measures in the tables."""


def measured_on() -> str:
    """Images, mosaics and seed of each model's measurement."""
    rows = []
    for name, record in _models():
        side, mosaic_side, (height, width) = record["image_size"], record["mosaic_size"], record["grid"]
        images = f"{record['images']:,} {record['split']} images of {record['data']}, {side} x {side}"
        mosaics = f"{record['mosaics']}, {mosaic_side} x {mosaic_side}"
        seed = str(record["protocol"]["seed"])
        rows.append([f"`{name}`", images, f"{height} x {width}", str(record["correct"]), mosaics, seed])
    return _table(["model", "images", "patches", "answered correctly", "mosaics", "seed"], "lllrlr", rows)


def methods() -> str:
    """Every measure of every method: one row per model and method."""
    rows = (
        [f"`{name}`", method, *(_interval(measures.get(measure)) for measure in BETTER_DIRECTION)]
        for name, record in _models()
        for method, measures in record["methods"].items()
    )
    headings = [f"{HEADINGS[measure]}, {better} is better" for measure, better in BETTER_DIRECTION.items()]
    return _table(["model", "method", *headings], "ll" + "r" * len(BETTER_DIRECTION), rows)


def differences() -> str:
    """The semantic map minus each other method, with a verdict where the interval excludes 0."""
    rows = (
        [f"`{name}`", method, *(_difference(measure, measures.get(measure)) for measure in BETTER_DIRECTION)]
        for name, record in _models()
        for method, measures in record["differences"].items()
    )
    return _table(["model", "semantic map minus", *HEADINGS.values()], "ll" + "r" * len(BETTER_DIRECTION), rows)


def verdict() -> str:
    """Where the semantic map is better than other methods and where it is worse: one line per model and measure."""
    lines = []
    for name, record in _models():
        if not record["differences"]:
            continue
        lines.append(f"- `{name}`")
        for measure, heading in HEADINGS.items():
            sides: dict[str, list[str]] = {"better": [], "worse": [], "": []}
            for method, measures in record["differences"].items():
                if measure in measures:
                    sides[_side(measure, measures[measure])].append(method)
            if not any(sides.values()):
                continue
            parts = [f"{side} than {_listed(sides[side])}" for side in ("better", "worse") if sides[side]]
            if sides[""]:
                parts.append(f"no clear difference from {_listed(sides[''])}")
            lines.append(f"    - {heading}: {'; '.join(parts)}.")
    return "\n".join(lines) or NOT_MEASURED


FAITHFULNESS: dict[str, Callable[[], str]] = {"verdict": verdict, "methods": methods}
"""Tables of the page, by the names of their markers."""

DIFFERENCES: dict[str, Callable[[], str]] = {
    "Differences, image by image": differences,
    "Images and mosaics": measured_on,
}
"""Tables of benchmarks/results/faithfulness.md, by their headings."""


def _models() -> Iterable[tuple[str, Mapping[str, Any]]]:
    return sorted(read_measurements(RESULTS).items())


def _interval(one: Mapping[str, float] | None) -> str:
    """A number with its interval; empty where it was not measured."""
    if one is None:
        return ""
    return f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"


def _difference(measure: str, one: Mapping[str, float] | None) -> str:
    if one is None:
        return ""
    side = _side(measure, one)
    return f"{one['value']:+z.3f} ({one['low']:+z.3f} to {one['high']:+z.3f}) {side}".strip()


def _side(measure: str, one: Mapping[str, float]) -> str:
    """Whether the semantic map is better or worse; empty where the interval holds 0."""
    if one["low"] <= 0 <= one["high"]:
        return ""
    return "better" if (one["value"] > 0) == (BETTER_DIRECTION[measure] == "higher") else "worse"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _table(headings: list[str], alignment: str, rows: Iterable[list[str]]) -> str:
    rows = list(rows)
    return markdown(headings, alignment, rows) if rows else NOT_MEASURED
