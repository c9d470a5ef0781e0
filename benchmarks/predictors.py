"""How fast does a model answer through ONNX Runtime, compared with PyTorch on the same machine and pixels?

    python benchmarks/predictors.py [MODEL ...]

Both answer in turn, so that a busy machine slows both; a row gives medians over `REPEATS` turns after a warm-up. Raw
times go to benchmarks/results/predictors.json. On a noisy machine read the ratios, not the times.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from rich.console import Console
from rich.table import Table

from zoo.hub import DEFAULT_MODEL, open_model
from zoo.onnx_predictor import OnnxPredictor
from zoo.package import write_json
from zoo.predictor import Predictor
from zoo.preprocess import Pixels
from zoo.torch_predictor import TorchPredictor

BATCHES = (1, 8, 64)
REPEATS = 20
RESULTS = Path(__file__).with_name("results") / "predictors.json"


def seconds(call: Callable[[], object]) -> float:
    """Time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare(predictors: dict[str, Predictor], pixels: Pixels) -> dict[str, list[float]]:
    """Times of each predictor for the same pixels, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in predictors}
    for turn in range(REPEATS + 3):
        for name, predictor in predictors.items():
            taken = seconds(lambda predictor=predictor: predictor(pixels))  # type: ignore[misc]
            if turn >= 3:
                times[name].append(taken)
    return times


def main(models: list[str]) -> None:
    record: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "load": os.getloadavg()[0],
        "seconds": {},
    }
    table = Table("model", "batch", "PyTorch, ms", "ONNX Runtime, ms", "ratio", title="Median times")
    random = np.random.default_rng(0)
    for reference in models:
        package = open_model(reference)
        size = package.config.input_size
        predictors: dict[str, Predictor] = {
            "torch": TorchPredictor.open(package),
            "onnx": OnnxPredictor.open(package),
        }
        for batch in BATCHES:
            times = compare(predictors, random.integers(0, 256, (batch, 3, size, size), dtype=np.uint8))
            record["seconds"].setdefault(package.config.name, {})[batch] = times
            slow, fast = (statistics.median(times[name]) for name in ("torch", "onnx"))
            table.add_row(
                package.config.name, str(batch), f"{1000 * slow:.2f}", f"{1000 * fast:.2f}", f"{slow / fast:.2f}"
            )
    write_json(RESULTS, record)
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:] or [DEFAULT_MODEL])
