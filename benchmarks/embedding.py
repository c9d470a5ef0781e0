"""Cost of the output `embedding` above plain classification.

    python benchmarks/embedding.py [--models MODEL MODEL] [--batches N N] [--repeats N] [--out FILE]

Each model is exported to a file with the output and, by removing that output from the graph, to one without. Both
compute the same images with ONNX Runtime on one thread, in interleaved turns; the ratio of each turn is that of the
two times. A third call is of the file with the output when only the class logits are requested of it.

Raw results are written to benchmarks/results/embedding.json.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from peers.machine import describe
from peers.turns import in_turn, ratios
from rich.console import Console

from export.onnx_file import export_onnx
from zoo.files import write_json
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.outputs import EMBEDDING, INPUT, LOGITS
from zoo.predictors.onnx_session import open_session
from zoo.runtime import Runtime

RESULTS = Path(__file__).parent / "results" / "embedding.json"
WITH, WITHOUT, NAMED = "with embedding", "without", "with embedding, logits requested"


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of the output embedding.")
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL, "rn26-ours.cifar10"], help="models to export")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="images per call")
    parser.add_argument("--repeats", type=int, default=101, help="turns")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    return parser.parse_args()


def without_embedding(file: Path, target: Path) -> None:
    """Copy an ONNX file without its output `embedding`; all that is computed stays the same."""
    model = onnx.load(file)
    kept = [output for output in model.graph.output if output.name != EMBEDDING.name]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, target)


def measure(name: str, batches: list[int], repeats: int) -> dict[str, Any]:
    """Times of one model, by number of images per call."""
    package = open_model(name)
    with tempfile.TemporaryDirectory() as folder:
        files = {WITH: Path(folder) / "with.onnx", WITHOUT: Path(folder) / "without.onnx"}
        config = export_onnx(package, files[WITH])
        without_embedding(files[WITH], files[WITHOUT])
        sessions = {key: open_session(file, 1, Runtime()) for key, file in files.items()}
    found = {}
    for count in batches:
        shape = (count, 3, config.input_size, config.input_size)
        pixels = {INPUT: np.random.default_rng(0).integers(0, 256, shape, np.uint8)}
        calls = {key: partial(session.run, None, pixels) for key, session in sessions.items()}
        calls[NAMED] = partial(sessions[WITH].run, [LOGITS.name], pixels)
        times = in_turn(calls, repeats)
        cost = {key: ratios(times[key], times[WITHOUT]) for key in (WITH, NAMED)}
        found[str(count)] = {"ratio": cost, "seconds": times}
    return found


def main() -> None:
    arguments = read_arguments()
    machine = describe("cpu", 1)
    found = {name: measure(name, arguments.batches, arguments.repeats) for name in arguments.models}
    write_json(arguments.out, {"machine": machine, "repeats": arguments.repeats, "models": found})
    console = Console(width=120)
    for name, by_count in found.items():
        for count, row in by_count.items():
            for key, (median, low, high) in row["ratio"].items():
                console.print(f"{name}, {count} images: {key} / {WITHOUT}: {median:.4f} ({low:.4f} to {high:.4f})")


if __name__ == "__main__":
    main()
