"""The table of docs/performance.md on int8 files: what benchmarks/quantization.py measured."""

import json
from collections.abc import Callable
from pathlib import Path

from zoo.reporting import markdown

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks/results/quantization.json"
NOT_MEASURED = "Not measured yet: `python benchmarks/quantization.py --data FOLDER`, then `make docs`."


def quantization() -> str:
    """Accuracy and size of this project's int8 files and of NNCF's, and how much longer NNCF's take."""
    if not RESULTS.is_file():
        return NOT_MEASURED
    record = json.loads(RESULTS.read_text())
    rows = []
    for name, found in record["models"].items():
        ours, nncf = (found["files"][file] for file in ("ours", "NNCF"))
        pairs = [
            f"{ours['accuracy']:.2f}, {nncf['accuracy']:.2f}" if ours["accuracy"] else "",
            f"{ours['agreement']:.2f}, {nncf['agreement']:.2f}",
            f"{ours['bytes'] / 1e6:.2f}, {nncf['bytes'] / 1e6:.2f}",
        ]
        for place, (batch, engines) in enumerate(found["batches"].items()):
            ratios = (engines[engine]["NNCF / ours"] for engine in ("ONNX Runtime", "OpenVINO"))
            times = [f"{median:.2f} ({low:.2f} to {high:.2f})" for median, low, high in ratios]
            rows.append([f"`{name}`", *pairs, batch, *times] if place == 0 else ["", "", "", "", batch, *times])
    headings = [
        "model",
        "accuracy, %",
        "same class as fp32, %",
        "file, MB",
        "batch",
        "time, ONNX Runtime, NNCF / ours",
        "time, OpenVINO, NNCF / ours",
    ]
    machine = record["machine"]
    return (
        f"{markdown(headings, 'lrrrrrr', rows)}\n\nPairs are ours, NNCF. {record['calibration']:,} training images for "
        f"calibration, {record['tested']:,} test images of {record['data']}; medians of {record['repeats']} paired "
        f"turns on {machine['threads']} cores of {machine['processor']}."
    )


QUANTIZATION: dict[str, Callable[[], str]] = {"quantization": quantization}
"""Tables of the page, by the names of their markers."""
