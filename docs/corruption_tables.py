"""The table of docs/variants.md on corrupted images, from what benchmarks/corruptions.py measured."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from zoo.reporting import markdown

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks/results/corruptions.json"
NOT_MEASURED = "Not measured yet: `python benchmarks/corruptions.py --data FOLDER`."


def corrupted_images() -> str:
    """Accuracy of each network without corruption, by corruption, and their mean, with the block's differences."""
    if not RESULTS.is_file():
        return NOT_MEASURED
    record = json.loads(RESULTS.read_text())
    names = list(record["strengths"])
    rows = []
    for variant, model in record["models"].items():
        severities = (
            " / ".join(f"{model['accuracy'][f'{name}:{severity}']:.1f}" for severity in (1, 2, 3)) for name in names
        )
        rows.append([f"`{variant}`", _interval(model["clean"]), *severities, _interval(model["mean"])])
    table = markdown(["network", "not corrupted", *names, "mean of corrupted"], "l" + "r" * (len(names) + 2), rows)
    differences = "; ".join(
        f"`{ours}` minus `{other}` {_interval(found, '+')}"
        for ours, others in record["differences"].items()
        for other, found in others.items()
    )
    return (
        f"{table}\n\n{record['images']:,} {record['split']} images of {record['data']}, seed {record['seed']}; "
        f"brackets are 95% bootstrap intervals over images, of one trained network per variant.\nDifferences of the "
        f"means, in percentage points, paired by image: {differences}."
    )


def _interval(found: Mapping[str, float], sign: str = "") -> str:
    return f"{found['value']:{sign}.2f} [{found['low']:{sign}.2f}, {found['high']:{sign}.2f}]"


CORRUPTED: dict[str, Callable[[], str]] = {"corrupted": corrupted_images}
"""Tables of the page, by the names of their markers."""
