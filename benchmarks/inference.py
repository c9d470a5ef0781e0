"""Speed of inference, compared with other runtimes on the same machine.

    python benchmarks/inference.py [VARIANT ...] [--batches N ...] [--threads N] [--repeats N] [--data FOLDER]
                                   [--device D] [--without CONTENDER ...] [--minutes N] [--out FILE]
    python benchmarks/inference.py --device cuda --minutes 4                   # the most informative part

Needs `pip install --group bench -e .`; contenders whose package is missing are skipped and reported. All of them
(`peers/contenders.py`) get the same pixels, uint8 [N, 3, 32, 32], and number of threads, and return arrays:

- PyTorch eager, torch.compile (default mode, compiled for each batch size), TorchScript (traced, frozen, optimised).
- plain ONNX: `torch.onnx.export` of the unmodified network, in ONNX Runtime with default options.
- OpenVINO on our fp32 file, in fp32 and bf16, and on our int8 file; one request for the batch or several for parts of
  it, whichever is faster.
- plain session int8: our int8 file in ONNX Runtime with default options. As the two above, it is called with new arrays
  or bound to arrays that are kept, whichever is faster.
- ours: the files of `zoo export` with the server's predictor; "one run" is the whole batch at once on all threads,
  "tuned" the fastest engine and split into parts for this batch.
- on a GPU also torch.compile in fp16 with captured graphs (`mode="reduce-overhead"`), and ours in TF32 and fp16.
- timm resnet: a residual network from timm with a similar number of multiply-adds, in ONNX Runtime with default
options.

Peers have their default options, which on a GPU include TF32 for products in fp32; ours computes in true fp32 unless
its name says otherwise.

Variants are measured with their model in `weights/`, or else with random weights. Times do not depend on weights, but
the parts that stay in fp32 in 8 bits do, and on the images of `--data` (by default 64 coloured squares).

Contenders are timed in interleaved turns (`peers/turns.py`), each once the threads of the previous one are idle, which
makes a call of less than a millisecond slower than one of a tight loop (`zoo speed`), for every contender alike: rows
have medians, and ratios are taken per turn. Shares of the peak are relative to min(peak, intensity x bandwidth), where
the peak is the fastest fp32 matrix product and the bandwidth that of a large copy, both measured before and after each
variant, and the intensity assumes minimal traffic: weights once, pixels, outputs. The cost of the semantic block is
measured as well: wrn16-ours against wrn16 and rn26-ours against rn26.

With `--minutes`, each variant gets an equal part of the time left, and batch sizes that do not fit in it are left out,
as are contenders that are not ready after a quarter of the whole time.

The time of every call is written to benchmarks/results/inference.json (on CUDA, inference.cuda.json), replacing earlier
results of the same variants. `make docs` writes docs/performance.md from it. On a noisy machine, compare the ratios
rather than the times.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.budget import Budget
from peers.comparison import Measured, compare, summary
from peers.contenders import CONTENDERS
from peers.machine import Roofline, describe, measure_roofline
from peers.semantics import PAIRS, measure_semantics
from peers.subject import SIDE, Subject, coloured_squares, warm_exporter
from rich.console import Console
from rich.table import Table

from export.images import read_folder_pixels
from export.quantize import CALIBRATION_IMAGES
from zoo.files import write_json
from zoo.images.preprocess import Pixels
from zoo.machine import cores
from zoo.registry import info, list_models

FIRST = ("wrn16-ours", "dn100-ours-c")
"""Variants that say most."""
VARIANTS = [*FIRST, *(name for name in list_models() if info(name).paper_accuracy and name not in FIRST)]
BATCHES = {"cpu": (1, 8, 64, 256), "cuda": (1, 256, 32, 8, 1024)}
"""Batch sizes by device, in the order in which they are measured."""
PATIENCE = 0.25
"""Share of `--minutes` within which a contender must be ready."""
FINER = 5
"""Factor on the number of turns for the cost of the semantic block, which is about one percent."""
RESULTS = {"cpu": "inference.json", "cuda": "inference.cuda.json"}

console = Console()
console.width = max(console.width, 120)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed of inference compared with other runtimes.")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", default=VARIANTS)
    parser.add_argument("--batches", type=int, nargs="+", help="batch sizes", metavar="N")
    parser.add_argument("--threads", type=int, default=cores(), help="number of threads of every contender")
    parser.add_argument("--repeats", type=int, default=20, help="number of turns per contender")
    parser.add_argument("--data", type=Path, help="training images for quantisation to 8 bits, as for zoo export")
    names = [contender.name for contender in CONTENDERS if not contender.required]
    parser.add_argument("--without", nargs="+", default=[], choices=names, help="contenders to skip")
    parser.add_argument("--device", default="cpu", choices=RESULTS)
    parser.add_argument("--minutes", type=float, help="time limit; what does not fit is left out")
    parser.add_argument("--out", type=Path, help="file for the raw results")
    arguments = parser.parse_args()
    arguments.batches = arguments.batches or BATCHES[arguments.device]
    return arguments


def measure(
    variant: str, arguments: argparse.Namespace, scales: Pixels, folder: Path, budget: Budget
) -> Iterator[dict[str, Any]]:
    """Measurements of one variant so far, as JSON: after each batch size, and at the end with the second peak."""
    device, threads = arguments.device, arguments.threads

    def say(text: str) -> None:
        # A plain line, since an animated spinner would use the CPU.
        console.print(f"{datetime.now():%H:%M:%S} {variant}: {text}", style="dim", highlight=False)

    machine = describe(device, threads)
    say("peak")
    limits = [measure_roofline(device, threads)]
    subject = Subject(variant, folder, device, threads)
    say("exporting")
    subject.write_plain()
    subject.write_ours("fp32")
    subject.try_ours("int8" if device == "cpu" else "fp16", scales, lambda part: say(f"exporting, {part}"))
    if find_spec("timm"):
        subject.write_ordinary()
    contenders = [one for one in CONTENDERS if device in one.devices and one.name not in arguments.without]
    measured: list[Measured] = []

    def result() -> dict[str, Any]:
        roofline = Roofline.best(limits)
        return {
            "machine": machine,
            "peak": roofline.to_json() | {"measured": limits},
            "repeats": arguments.repeats,
            "weights": subject.weights,
            "multiply_adds": subject.multiply_adds,
            "ordinary": subject.ordinary and subject.ordinary._asdict(),
            "scales": {"images": len(scales), "from": arguments.data.name if arguments.data else "coloured squares"},
            "files": {kind: written.to_json() for kind, written in subject.files.items()},
            "batches": {str(one.batch): summary(subject, one, roofline) for one in measured},
        }

    build_seconds = 60 * PATIENCE * arguments.minutes if arguments.minutes else None
    for batch in arguments.batches:
        if measured and not budget.fits():
            say(f"batches of {batch} are left out, to end on time")
            continue
        pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, SIDE, SIDE), dtype=np.uint8)
        with budget.measurement():
            measured.append(compare(subject, contenders, pixels, arguments.repeats, say, build_seconds))
        yield result()
    say("peak")
    limits.append(measure_roofline(device, threads))
    yield result()


def table_of(variant: str, result: dict[str, Any]) -> Table:
    """Readable table of the measurements of a variant."""
    peak = result["peak"]["multiply_adds_per_second"]["fp32"]
    title = f"{variant} ({result['weights']} weights), medians of {result['repeats']} turns"
    caption = f"peak {peak / 1e9:.0f} G multiply-adds/s; load average before {result['machine']['load']}"
    table = Table("contender", title=title, caption=caption)
    for heading in ("batch", "ms", "images/s", "of peak", "times eager", "range"):
        table.add_column(heading, justify="right")
    table.add_column("setting")
    for batch, measured in result["batches"].items():
        for name, row in measured["contenders"].items():
            median, low, high = row["times_eager"]
            table.add_row(
                name,
                batch,
                f"{1000 * row['median_seconds']:.2f}",
                f"{row['images_per_second']:.0f}",
                f"{row['of_peak']:.0%}",
                f"{median:.2f}",
                f"{low:.2f} to {high:.2f}",
                row["setting"],
            )
        for name, why in measured["left_out"].items():
            table.add_row(name, batch, *[""] * 5, f"skipped: {why}")
        table.add_section()
    return table


def main() -> None:
    arguments = read_arguments()
    for variant in arguments.variants:
        info(variant)  # fail on an unknown name before the first measurement
    file = arguments.out or Path(__file__).parent / "results" / RESULTS[arguments.device]
    record = json.loads(file.read_text()) if file.is_file() else {}
    scales = read_folder_pixels(arguments.data, SIDE, 2 * CALIBRATION_IMAGES) if arguments.data else coloured_squares()
    torch.set_num_threads(arguments.threads)
    warm_exporter()
    budget = Budget(arguments.minutes)
    for index, variant in enumerate(arguments.variants):
        if not budget.fits():
            console.print(f"left out, to end on time: {', '.join(arguments.variants[index:])}")
            break
        with tempfile.TemporaryDirectory() as folder:
            part = budget.share(len(arguments.variants) - index)
            for result in measure(variant, arguments, scales, Path(folder), part):
                record.setdefault("variants", {})[variant] = result
                write_json(file, record)
        console.print(table_of(variant, result))
    for variant in filter(PAIRS.__contains__, arguments.variants):
        if not budget.fits():
            break
        cost = measure_semantics(variant, arguments.device, arguments.threads, FINER * arguments.repeats)
        record.setdefault("semantics", {})[variant] = cost
        write_json(file, record)
        console.print(
            f"{variant} takes {cost['ratio']:.3f} times as long as {cost['plain']} "
            f"({cost['range'][0]:.3f} to {cost['range'][1]:.3f}) for {cost['multiply_adds_ratio']:.3f} times the work"
        )


if __name__ == "__main__":
    main()
