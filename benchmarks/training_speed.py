"""Speed of `zoo train`, compared with a plain PyTorch loop and timm's training script.

    python benchmarks/training_speed.py [VARIANT ...] [--data FOLDER] [--timm-script PATH] [--steps N] [--repeats N]
                                  [--device D] [--compile] [--minutes N] [--out FILE]

In images per second, for the same network, images, batch size, precision (bf16 autocast, or fp32 where the device has
no bf16 instructions), memory format (channels-last) and number of threads. Each trainer is a file in `peers/` and runs
in its own process:

- ours: the loop of `zoo train`, with its log, progress and checkpoints.
- plain: a loop with `DataLoader` and torchvision's transforms, and the paper's loss.
- timm: timm's unmodified train.py, on a folder of PNG files of the same images. It uses random resized crops and no
  patch loss. The script is not in timm's package: get train.py from the repository huggingface/pytorch-image-models at
  the tag of the installed version. Without it, this row is omitted.

Plain and timm use the number of data-loader workers that was fastest in short trials. Then all trainers take turns, so
that a busy machine slows all of them; rows have medians over turns. Each turn starts from scratch, its first steps do
not count, and images are left when the clock stops, so that no loader gains from batches prepared beforehand. For ours
and plain, the clock is read at the end of two steps; timm's speed is the one that it logs.

With `--minutes`, each variant gets an equal part of the time left: a third of it for the trials of data-loader workers,
the rest for as many turns as fit.

The peak is that of a large matrix product in this precision, the best of several shapes and turns; a training step
counts as three times the multiply-adds of the forward pass. Raw results are written to
benchmarks/results/training_speed.json (on CUDA, training_speed.cuda.json). On a noisy machine, compare the ratios
rather than the speeds.
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
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peers.budget import Budget
from peers.images import write_images
from peers.machine import describe_gpu
from peers.task import Task
from rich.console import Console
from rich.table import Table

from training.data.data_set import data_set_name
from zoo.files import write_json
from zoo.registry import info

VARIANTS = ("wrn16-ours", "dn100-ours-c")
BATCH, SIZE = 128, 32
WARMUP = {"cpu": 10, "cuda": 50}
STEPS = {"cpu": 40, "cuda": 1000}
"""Timed steps per turn, some seconds, by device."""
TRIALS = 2
"""Trials per number of data-loader workers, of which the best counts."""
PREFETCHED = 2
"""Batches that a data-loader worker prefetches."""
STEP_COST = 3
"""Ratio of the multiply-adds of a training step to those of its forward pass."""
PACKAGES = ("torch", "torchvision", "timm")
HERE = Path(__file__).parent
RESULTS = {"cpu": "training_speed.json", "cuda": "training_speed.cuda.json"}

console = Console()
console.width = max(console.width, 110)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed of training compared with two peers.")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", default=VARIANTS)
    parser.add_argument("--steps", type=int, help="timed steps per turn")
    parser.add_argument("--repeats", type=int, default=5, help="number of turns per trainer")
    parser.add_argument("--data", default=str(HERE.parent / "tests/data/cifar10"), help="data set, as for zoo train")
    parser.add_argument("--timm-script", type=Path, help="timm's train.py")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=RESULTS)
    parser.add_argument("--compile", action="store_true", help="use torch.compile in our trainer")
    parser.add_argument("--minutes", type=float, help="time limit; what does not fit is left out")
    parser.add_argument("--out", type=Path, help="file for the raw results")
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or STEPS[arguments.device]
    arguments.out = arguments.out or HERE / "results" / RESULTS[arguments.device]
    return arguments


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


def try_workers(name: str, task: Task, timm_script: Path | None, budget: Budget) -> dict[int, list[float]]:
    """Speeds of a trainer by number of data-loader workers, in short trials."""
    shorter = replace(task, steps=max(task.steps // 4, 1))
    # The most first: where time is short, it is the best guess.
    choices = sorted(worker_choices(), reverse=budget.limited)
    speeds: dict[int, list[float]] = {count: [] for count in choices}
    for _ in range(1 if budget.limited else TRIALS):
        for count, own in speeds.items():
            if count == choices[0] or budget.fits():
                with budget.measurement():
                    own.append(speed(name, replace(shorter, workers=count), timm_script))
    return {count: own for count, own in speeds.items() if own}


def compare(
    task: Task, names: list[str], repeats: int, timm_script: Path | None, budget: Budget
) -> Iterator[dict[str, Any]]:
    """Speeds of the trainers for one variant, in interleaved turns, with the peak of the machine, after each turn."""
    tasks, tried = {"ours": task}, {}
    for name in names[1:]:
        tried[name] = try_workers(name, task, timm_script, budget.share(3 * len(names[1:])))
        fastest = {max(own): count for count, own in tried[name].items()}
        tasks[name] = replace(task, workers=fastest[max(fastest)])
    speeds: dict[str, list[float]] = {name: [] for name in names}
    peaks = []
    turns = budget.share(1)
    for turn in range(repeats):
        if turn and not turns.fits():
            break
        with turns.measurement():
            for name in names:
                speeds[name].append(speed(name, tasks[name], timm_script))
            peaks.append(peak(task.device))
        yield {
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
    graphics = {"gpu": describe_gpu(device)} if device == "cuda" else {}
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": graphics["gpu"]["name"] if graphics else device,
        "versions": {name: version(name) for name in PACKAGES if find_spec(name)},
        "load": os.getloadavg()[0],
    } | graphics


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
        "warmup_steps": WARMUP[arguments.device],
        "steps": arguments.steps,
        "variants": {},
    }
    columns = ("variant", "trainer", "workers", "images/s", "ours / it", "range", "G multiply-adds/s", "of peak")
    title = f"Training, medians of {arguments.repeats} turns, {record['machine']['device']}"
    table = Table(*columns, title=title)
    # timm's first log line is for update 0, so its lines are one step late.
    warmup = WARMUP[arguments.device]
    steps = warmup + arguments.steps + 1 + PREFETCHED * max(worker_choices())
    budget = Budget(arguments.minutes)
    with tempfile.TemporaryDirectory() as folder:
        write_images(arguments.data, Path(folder), BATCH * steps, SIZE, files="timm" in names)
        for index, variant in enumerate(arguments.variants):
            if not budget.fits():
                console.print(f"left out, to end on time: {', '.join(arguments.variants[index:])}")
                break
            task = Task(variant, folder, arguments.device, SIZE, BATCH, warmup, arguments.steps, 0, arguments.compile)
            part = budget.share(len(arguments.variants) - index)
            with console.status(f"training {variant}"):
                for result in compare(task, names, arguments.repeats, script, part):
                    record["variants"][variant] = result
                    write_json(arguments.out, record)
            add_rows(table, variant, result)
    console.print(table)


if __name__ == "__main__":
    main()
