"""Speed and memory of `zoo classify FOLDER --csv`, compared with a plain loop over ONNX Runtime.

    python benchmarks/classify_folder.py [--data DATA] [--counts N N] [--repeats N] [--model MODEL] [--out FILE]

The images of the test split are written as PNG files into temporary folders, of 1,000 and of 10,000 images. Both
contenders classify each folder in a process of their own, in interleaved turns: `zoo classify`, and the loop of
`peers/folder_loop.py` with the same decoder, file and batch size. Whole processes are timed, from their start, so the
speed without the start is that of the additional images of the larger folder. Peak memory is the largest resident set
of a process, `VmHWM` of `/proc/PID/status` at its end.

Raw results are written to benchmarks/results/classify_folder.json; `make docs` writes the table of docs/classify.md
from it.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from peers.machine import describe
from rich.console import Console
from rich.progress import track

from training.data.data_set import EncodedImages, open_split
from zoo.files import write_json
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.machine import cores

RESULTS = Path(__file__).parent / "results" / "classify_folder.json"
LOOP = Path(__file__).parent / "peers" / "folder_loop.py"
OURS, PLAIN = "zoo classify", "plain loop"


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed and memory of zoo classify on a folder.")
    parser.add_argument("--data", default="cifar10", help="data set whose test images are classified")
    parser.add_argument("--counts", type=int, nargs=2, default=(1000, 10_000), help="images in the two folders")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender and folder")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model with an ONNX file")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    return parser.parse_args()


def write_images(encoded: EncodedImages, folder: Path, count: int) -> None:
    """Write the first images of a split as PNG files."""
    folder.mkdir()
    for index in track(range(count), description=f"writing {count:,} images"):
        encoded.image(index).save(folder / f"{index:06}.png")


PROGRAM = """
import atexit, json, runpy, sys, time

def report(file):
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    with open(file, "w") as stream:
        json.dump({"cpu_seconds": time.process_time(), "peak_bytes": 1024 * int(peak.split()[1])}, stream)

file, program, *sys.argv[1:] = sys.argv[1:]
atexit.register(report, file)
(runpy.run_path if program.endswith(".py") else runpy.run_module)(program, run_name="__main__")
"""
"""Runs a script or a module, and writes the CPU time and the peak memory of the process to a file at its end."""


def run(folder: Path, program: str, *arguments: str) -> dict[str, float]:
    """Wall time, CPU time and peak memory of a Python program in a process of its own.

    Raises:
        SystemExit: it failed.
    """
    usage = folder / "usage.json"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(usage), program, *arguments])
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{program} failed")
    return {"seconds": seconds} | json.loads(usage.read_text())


def labels(file: Path) -> list[str]:
    """First class of each image of a CSV file."""
    with file.open(newline="") as stream:
        return [row["label"] for row in csv.DictReader(stream)]


def report(turns: dict[str, dict[str, list[dict[str, float]]]]) -> dict[str, Any]:
    """Medians of each contender: images per second, with and without its start, CPU time and peak memory."""
    found: dict[str, Any] = {}
    for name, by_count in turns.items():
        medians = {
            count: {key: statistics.median(turn[key] for turn in own) for key in own[0]}
            for count, own in by_count.items()
        }
        (few, first), (many, last) = medians.items()
        found[name] = {
            "images_per_second": int(many) / last["seconds"],
            "images_per_second_without_start": (int(many) - int(few)) / (last["seconds"] - first["seconds"]),
            "cpu_ms_per_image": 1000 * (last["cpu_seconds"] - first["cpu_seconds"]) / (int(many) - int(few)),
            "peak_bytes": {count: own["peak_bytes"] for count, own in medians.items()},
        }
    return found


def main() -> None:
    arguments = read_arguments()
    package = open_model(arguments.model)
    encoded = open_split(arguments.data, "test")
    machine = describe("cpu", cores())
    turns: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {str(count): [] for count in arguments.counts} for name in (OURS, PLAIN)
    }
    with tempfile.TemporaryDirectory() as temporary:
        outputs = {name: Path(temporary) / f"{name}.csv" for name in turns}
        for count in arguments.counts:
            write_images(encoded, Path(temporary) / str(count), count)
        for _ in range(arguments.repeats):
            for count in map(str, arguments.counts):
                folder = str(Path(temporary) / count)
                programs = {
                    OURS: ["zoo", "classify", folder, "--model", arguments.model, "--csv", str(outputs[OURS])],
                    PLAIN: [str(LOOP), str(package.onnx("fp32")), folder, str(outputs[PLAIN])],
                }
                for name, program in programs.items():
                    turns[name][count].append(run(Path(temporary), *program))
                if labels(outputs[OURS]) != labels(outputs[PLAIN]):
                    raise SystemExit("the contenders give different answers")
    found = report(turns)
    write_json(
        arguments.out,
        {
            "machine": machine,
            "model": package.config.name,
            "repeats": arguments.repeats,
            "report": found,
            "turns": turns,
        },
    )
    console = Console(width=120)
    for name, row in found.items():
        memory = ", ".join(f"{size / 2**20:.0f} MiB for {int(count):,}" for count, size in row["peak_bytes"].items())
        console.print(
            f"{name}: {row['images_per_second']:.0f} images/s, {row['images_per_second_without_start']:.0f} without "
            f"its start; {row['cpu_ms_per_image']:.2f} ms of CPU time per image; peak memory {memory}"
        )


if __name__ == "__main__":
    main()
