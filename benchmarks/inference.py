"""How fast does a network answer, compared with other ways to compute it on the same machine?

    python benchmarks/inference.py [VARIANT ...] [--batches N ...] [--threads N] [--repeats N] [--data FOLDER]
                                   [--device D] [--without CONTENDER ...] [--out FILE]

Needs `pip install --group bench -e .`; a contender whose package is missing is left out, and said so. All of them
(`peers/contenders.py`) get the same pixels, uint8 [N, 3, 32, 32], the same number of threads, and give arrays:

- PyTorch eager, torch.compile (default mode, compiled for each batch size), TorchScript (traced, frozen, optimised).
- plain ONNX: `torch.onnx.export` of the network as it is, in ONNX Runtime with its default options.
- OpenVINO on our single-precision file, in fp32 and bf16; one request for the batch or several for parts of it, what
  is faster.
- ours: the files of `zoo export` through the server's predictor; "one run" is the whole batch at once on all threads,
  "tuned" the division into parts that is the fastest for this batch.
- timm resnet: a residual network of timm's with nearly as many multiply-adds, in ONNX Runtime with default options.

A variant whose model is in `weights/` is measured with it, another with random weights: times do not depend on them,
but which parts stay in single precision in 8 bits does, and on the images of `--data` (else 64 coloured squares).

Contenders are timed in turn (`peers/turns.py`), each when the threads of the one before have come to rest: rows give
medians, and ratios are the turns' own. A share of the peak is that of min(peak, intensity x bandwidth), where the peak
is the fastest single-precision matrix product and the bandwidth that of a large copy, both measured before and after
each variant, and the intensity is that of the least possible traffic: weights once, pixels, answers. Also measured:
what the semantic block costs, wrn16-ours against wrn16 and rn26-ours against rn26.

Seconds of every call go to benchmarks/results/inference.json (on CUDA to inference.cuda.json); the variants of a run
replace the same ones there, and others stay. `make docs` writes docs/performance.md from it. On a noisy machine read
the ratios, not the times.
"""

import argparse
import json
import tempfile
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.comparison import compare, summary
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

VARIANTS = [name for name in list_models() if info(name).paper_accuracy]
BATCHES = (1, 8, 64, 256)
FINER = 5
"""Times as many turns tell what the semantic block costs: about one percent."""
RESULTS = {"cpu": "inference.json", "cuda": "inference.cuda.json"}

console = Console()
console.width = max(console.width, 120)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed of inference against other ways to compute the same.")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", default=VARIANTS)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="images computed together")
    parser.add_argument("--threads", type=int, default=cores(), help="of every contender")
    parser.add_argument("--repeats", type=int, default=20, help="turns of each contender")
    parser.add_argument("--data", type=Path, help="training images for 8 bits, as for zoo export")
    names = [contender.name for contender in CONTENDERS if not contender.required]
    parser.add_argument("--without", nargs="+", default=[], choices=names, help="contenders to leave out")
    parser.add_argument("--device", default="cpu", choices=RESULTS)
    parser.add_argument("--out", type=Path, help="where the raw results go")
    return parser.parse_args()


def measure(variant: str, arguments: argparse.Namespace, scales: Pixels, folder: Path) -> dict[str, Any]:
    """Everything about one variant, as JSON."""
    device, threads = arguments.device, arguments.threads

    def say(text: str) -> None:
        # A line, since what turns on the screen computes too.
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
    measured = []
    for batch in arguments.batches:
        pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, SIDE, SIDE), dtype=np.uint8)
        measured.append(compare(subject, contenders, pixels, arguments.repeats, say))
    say("peak")
    limits.append(measure_roofline(device, threads))
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


def table_of(variant: str, result: dict[str, Any]) -> Table:
    """What was measured of a variant, for people to read."""
    peak = result["peak"]["multiply_adds_per_second"]["fp32"]
    title = f"{variant} ({result['weights']} weights), medians of {result['repeats']} turns"
    caption = f"peak {peak / 1e9:.0f} G multiply-adds/s; load average before {result['machine']['load']}"
    table = Table("contender", title=title, caption=caption)
    for heading in ("batch", "ms", "images/s", "of the peak", "times eager", "range"):
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
            table.add_row(name, batch, *[""] * 5, f"left out: {why}")
        table.add_section()
    return table


def main() -> None:
    arguments = read_arguments()
    for variant in arguments.variants:
        info(variant)  # an unknown name is an error before the first measurement
    file = arguments.out or Path(__file__).parent / "results" / RESULTS[arguments.device]
    record = json.loads(file.read_text()) if file.is_file() else {}
    scales = read_folder_pixels(arguments.data, SIDE, 2 * CALIBRATION_IMAGES) if arguments.data else coloured_squares()
    torch.set_num_threads(arguments.threads)
    warm_exporter()
    for variant in arguments.variants:
        with tempfile.TemporaryDirectory() as folder:
            result = measure(variant, arguments, scales, Path(folder))
        record.setdefault("variants", {})[variant] = result
        write_json(file, record)
        console.print(table_of(variant, result))
    for variant in filter(PAIRS.__contains__, arguments.variants):
        cost = measure_semantics(variant, arguments.device, arguments.threads, FINER * arguments.repeats)
        record.setdefault("semantics", {})[variant] = cost
        write_json(file, record)
        console.print(
            f"{variant} takes {cost['ratio']:.3f} times as long as {cost['plain']} "
            f"({cost['range'][0]:.3f} to {cost['range'][1]:.3f}) for {cost['multiply_adds_ratio']:.3f} times the work"
        )


if __name__ == "__main__":
    main()
