"""Speed of `zoo train`, compared with a plain PyTorch loop and timm's training script.

    python benchmarks/training_speed.py [VARIANT ...] [--data FOLDER] [--timm-script PATH] [--steps N] [--repeats N]
                                  [--device D] [--compile]

In images per second, for the same network, images, batch size, precision (bf16 autocast), memory format (channels-last)
and number of threads. Each trainer is a file in `peers/` and runs in its own process:

- ours: the loop of `zoo train`, with its log, progress and checkpoints.
- plain: a loop with `DataLoader` and torchvision's transforms, and the paper's loss.
- timm: timm's unmodified train.py, on a folder of PNG files of the same images. It uses random resized crops and no
  patch loss. The script is not in timm's package: get train.py from the repository huggingface/pytorch-image-models at
  the tag of the installed version. Without it, this row is omitted.

Plain and timm use the number of data-loader workers that was fastest in short trials. Then all trainers take turns, so
that a busy machine slows all of them; rows have medians over turns. Each turn starts from scratch, its first steps do
not count, and images are left when the clock stops, so that no loader gains from batches prepared beforehand. For ours
and plain, the clock is read at the end of two steps; timm's speed is the one that it logs.

The peak is that of a large bf16 matrix product, the best of several shapes and turns; a training step counts as three
times the multiply-adds of the forward pass. Raw results are written to benchmarks/results/training_speed.json. On a
noisy machine, compare the ratios rather than the speeds.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peers.images import write_images
from peers.task import Task
from rich.console import Console
from rich.table import Table

from training.data.data_set import data_set_name
from zoo.files import write_json
from zoo.registry import info

VARIANTS = ("wrn16-ours", "dn100-ours-c")
BATCH, SIZE = 128, 32
WARMUP = 10
TRIALS = 2
"""Trials per number of data-loader workers, of which the best counts."""
PREFETCHED = 2
"""Batches that a data-loader worker prefetches."""
STEP_COST = 3
"""Ratio of the multiply-adds of a training step to those of its forward pass."""
PACKAGES = ("torch", "torchvision", "timm")
HERE = Path(__file__).parent
RESULTS = HERE / "results" / "training_speed.json"

console = Console()
console.width = max(console.width, 110)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed of training compared with two peers.")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", default=VARIANTS)
    parser.add_argument("--steps", type=int, default=40, help="timed steps per turn")
    parser.add_argument("--repeats", type=int, default=5, help="number of turns per trainer")
    parser.add_argument("--data", default=str(HERE.parent / "tests/data/cifar10"), help="data set, as for zoo train")
    parser.add_argument("--timm-script", type=Path, help="timm's train.py")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="use torch.compile in our trainer")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    return parser.parse_args()


def run_peer(name: str, *arguments: str) -> dict[str, Any]:
    """Run a script of `peers/`; returns the JSON in the last line of its output."""
    threads = str(torch.get_num_threads())
    environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    command = [sys.executable, str(HERE / "peers" / f"{name}.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def speed(name: str, task: Task, timm_script: Path | None) -> float:
    """Speed of a trainer in images per second."""
    if name == "timm":
        return float(run_peer("timm_script", task.to_json(), str(timm_script))["images_per_second"])
    return float(run_peer(name, task.to_json())["images_per_second"])


def peak(device: str) -> dict[str, float]:
    """Multiply-adds per second of matrix products, by side of the matrices."""
    speeds: dict[str, float] = run_peer("peak", device)["multiply_adds_per_second"]
    return speeds


def worker_choices() -> list[int]:
    return sorted({0, 1, 2, os.cpu_count() or 1})


def try_workers(name: str, task: Task, timm_script: Path | None) -> dict[int, list[float]]:
    """Speeds of a trainer by number of data-loader workers, in short trials."""
    shorter = replace(task, steps=max(task.steps // 4, 1))
    speeds: dict[int, list[float]] = {count: [] for count in worker_choices()}
    for _ in range(TRIALS):
        for count, own in speeds.items():
            own.append(speed(name, replace(shorter, workers=count), timm_script))
    return speeds


def compare(task: Task, names: list[str], repeats: int, timm_script: Path | None) -> dict[str, Any]:
    """Speeds of the trainers for one variant in interleaved turns, with the peak of the machine."""
    tasks, tried = {"ours": task}, {}
    for name in names[1:]:
        tried[name] = try_workers(name, task, timm_script)
        fastest = {max(own): count for count, own in tried[name].items()}
        tasks[name] = replace(task, workers=fastest[max(fastest)])
    speeds: dict[str, list[float]] = {name: [] for name in names}
    peaks = []
    for _ in range(repeats):
        for name in names:
            speeds[name].append(speed(name, tasks[name], timm_script))
        peaks.append(peak(task.device))
    return {
        "images_per_second": speeds,
        "workers": {name: tasks[name].workers for name in names[1:]},
        "images_per_second_by_workers": tried,
        "peak_multiply_adds_per_second": peaks,
    }


def add_rows(table: Table, variant: str, result: Mapping[str, Any]) -> None:
    """Add one row per trainer; ratios are medians over turns."""
    work = STEP_COST * info(variant).multiply_adds * (SIZE / 32) ** 2
    highest = max(max(turn.values()) for turn in result["peak_multiply_adds_per_second"])
    speeds = result["images_per_second"]
    for name, own in speeds.items():
        median = statistics.median(own)
        ratios = [mine / other for mine, other in zip(speeds["ours"], own, strict=True)]
        table.add_row(
            variant,
            name,
            str(result["workers"].get(name, "")),
            f"{median:.1f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{median * work / 1e9:.1f}",
            f"{median * work / highest:.1%}",
        )


def machine(device: str) -> dict[str, Any]:
    """Machine and versions on which the speeds depend."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "versions": {name: version(name) for name in PACKAGES if find_spec(name)},
        "load": os.getloadavg()[0],
    }


def main() -> None:
    arguments = read_arguments()
    script: Path | None = arguments.timm_script and arguments.timm_script.resolve()
    names = ["ours", "plain", "timm"]
    if script is None:
        names.remove("timm")
        console.print("skipping timm: give its train.py with --timm-script (see the docstring).")
    record: dict[str, Any] = {
        "machine": machine(arguments.device),
        "data": data_set_name(arguments.data),
        "timm_script_sha256": script and hashlib.sha256(script.read_bytes()).hexdigest(),
        "batch_size": BATCH,
        "size": SIZE,
        "warmup_steps": WARMUP,
        "steps": arguments.steps,
        "variants": {},
    }
    columns = ("variant", "trainer", "workers", "images/s", "ours / it", "range", "G multiply-adds/s", "of peak")
    title = f"Training, medians of {arguments.repeats} turns, {record['machine']['device']}"
    table = Table(*columns, title=title)
    # timm's first log line is for update 0, so its lines are one step late.
    steps = WARMUP + arguments.steps + 1 + PREFETCHED * max(worker_choices())
    with tempfile.TemporaryDirectory() as folder:
        write_images(arguments.data, Path(folder), BATCH * steps, SIZE)
        for variant in arguments.variants:
            task = Task(variant, folder, arguments.device, SIZE, BATCH, WARMUP, arguments.steps, 0, arguments.compile)
            with console.status(f"training {variant}"):
                result = compare(task, names, arguments.repeats, script)
            record["variants"][variant] = result
            write_json(arguments.out, record)
            add_rows(table, variant, result)
    console.print(table)


if __name__ == "__main__":
    main()
