"""Tests, benchmarks and training on a machine with a GPU: what `make gpu` runs.

    python tools/gpu.py [--minutes N] [--benchmark-minutes N] [--data FOLDER ...] [--only STAGE ...]
                        [--device cuda|cpu] [--out FOLDER]

Stages follow each other, each as a process with its output in `FOLDER/STAGE.log`; `FOLDER/summary.json` is written
after each. A stage that fails does not keep the next from running, but the exit status is then 1. A stage whose
packages are missing is skipped, and said to be. Nothing is fetched: without a network, give folders of the data sets.

On a GPU, results of benchmarks are written to benchmarks/results, and records of training runs to docs/results, as
they come. With `--device cpu`, a rehearsal, they are written into FOLDER instead.

Only the standard library is needed to start, so that what is missing can be said.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "template-zoo"

TESTS = ("pytest", "hypothesis", "torch", "datasets", "lightning_fabric", "tensorboard", "httpx2", "onnxruntime")
QUICK_TESTS = (
    *("tests/training", "tests/zoo/networks", "tests/zoo/predictors", "tests/reproduction"),
    "--ignore=tests/reproduction/claims",
)
EXPORT = ("torch", "onnx", "onnxscript", "onnxruntime")
TRAINING = ("torch", "torchvision", "datasets", "lightning_fabric", "tensorboard")
SERVING = (
    *("onnxruntime", "fastapi", "fastapi_offline", "uvicorn", "httptools", "python_multipart", "prometheus_client"),
    "psutil",
)
REPRODUCTION = (*TRAINING, "matplotlib", "scipy")

GRACE_MINUTES = 3.0
"""Time beyond its limit after which a stage is ended."""
ENDS_WITHIN = 60.0
"""Seconds from the request to end to the end by force: a training run saves its state."""
LAST_LINES = 3

State = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A command to run."""

    name: str
    command: tuple[str, ...]
    minutes: float
    """Time that it should take; see `GRACE_MINUTES`."""
    needs: tuple[str, ...] = ()
    """Modules that it imports."""
    installed: bool = False
    """Whether the project must be installed, as the commands of `zoo` are."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a stage."""

    name: str
    state: State
    seconds: float = 0.0
    why: str = ""
    """Reason of a failure or of being skipped."""


def stages(arguments: argparse.Namespace) -> list[Stage]:
    """The stages, in order."""
    device, out = arguments.device, arguments.out
    part = arguments.benchmark_minutes / 10
    rehearsal = device == "cpu"

    def benchmark(name: str, minutes: float, needs: tuple[str, ...], *options: str) -> Stage:
        file = ("--out", str(out / f"{name}.json")) if rehearsal else ()
        limit = ("--device", device, "--minutes", f"{minutes:g}")
        return Stage(name, (sys.executable, f"benchmarks/{name}.py", *options, *limit, *file), minutes, needs)

    pytest = (sys.executable, "-m", "pytest", "-q", "-rs")
    results = out / "docs" if rehearsal else ROOT / "docs"
    reproduce = ("reproduce", "--minutes", f"{arguments.minutes:g}", "--device", device)
    folders = ("--runs", str(out / "runs"), "--results", str(results))
    data = [text for folder in arguments.data for text in ("--datasets", folder)]
    serving_options = ("--images", "640x480", "--clients", "32", "128", "--seconds", "3", "--repeats", "2", "--rates")
    marked = marked_files("cuda")
    tests = [Stage("tests-cuda", (*pytest, "-m", "cuda", *marked), 10, TESTS, installed=True)] if marked else []
    return [
        Stage("machine", (sys.executable, "benchmarks/peers/machine.py", device), 1, ("torch",)),
        *tests,
        Stage(
            "tests-quick",
            (*pytest, "-m", "not slow and not process and not browser and not cuda", *QUICK_TESTS),
            5,
            TESTS,
            installed=True,
        ),
        benchmark("inference", 4 * part, EXPORT, "wrn16-ours", "dn100-ours-c", "--repeats", "10"),
        benchmark("training_speed", 3 * part, TRAINING, *(("--steps", "4") if rehearsal else ())),
        benchmark("serving", 3 * part, SERVING, *serving_options),
        Stage(
            "reproduce",
            (sys.executable, "-P", "-m", "zoo", *reproduce, *folders, *data),
            arguments.minutes,
            REPRODUCTION,
            installed=True,
        ),
    ]


def marked_files(marker: str) -> list[str]:
    """Test files that mention a marker: others may import what is missing here."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if f"mark.{marker}" in file.read_text()]


def missing(stage: Stage) -> str:
    """Description of what is missing for a stage; empty if nothing is."""
    names = [name for name in stage.needs if importlib.util.find_spec(name) is None]
    if stage.installed and not list(importlib.metadata.distributions(name=PROJECT)):
        names.append(f"{PROJECT} (this project, installed)")
    return ", ".join(names)


def run(stage: Stage, folder: Path) -> Outcome:
    """Run a stage, with its output in a file."""
    if absent := missing(stage):
        return Outcome(stage.name, "skipped", why=f"missing: {absent}")
    log, started = folder / f"{stage.name}.log", time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            stage.command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with ended(process):
            try:
                status: int | None = process.wait(60 * (stage.minutes + GRACE_MINUTES))
            except subprocess.TimeoutExpired:
                status = None
    seconds = round(time.monotonic() - started, 1)
    if status == 0:
        return Outcome(stage.name, "passed", seconds)
    why = "took too long" if status is None else f"exit status {status}"
    return Outcome(stage.name, "failed", seconds, why)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Context at whose end a process does not run any more, even if this program is interrupted."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN)
            # What it has started, and itself if it has not ended.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def environment() -> dict[str, str]:
    """Environment of a stage: the code of this clone, whatever is installed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def last_lines(file: Path) -> str:
    """End of a log, indented."""
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    return "\n".join(f"    {line}" for line in lines[-LAST_LINES:])


def run_all(chosen: Sequence[Stage], folder: Path) -> int:
    """Run stages, each with its outcome on standard output and in the summary; returns the exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for stage in chosen:
        print(f"{stage.name}: ", end="", flush=True)
        outcome = run(stage, folder)
        outcomes.append(outcome)
        summary = json.dumps([asdict(one) for one in outcomes], indent=2)
        (folder / "summary.json").write_text(f"{summary}\n")
        print(described(outcome), flush=True)
        if outcome.state != "skipped":
            print(last_lines(folder / f"{stage.name}.log"), flush=True)
    print(f"\nin {folder}:")
    for outcome in outcomes:
        print(f"  {outcome.name:<15} {described(outcome)}")
    return int(any(outcome.state == "failed" for outcome in outcomes))


def described(outcome: Outcome) -> str:
    """An outcome in words."""
    took = f" after {outcome.seconds:.0f} s" if outcome.seconds else ""
    return f"{outcome.state}{took}" + (f": {outcome.why}" if outcome.why else "")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tests, benchmarks and training on a machine with a GPU.")
    parser.add_argument("--minutes", type=float, default=30, help="time for training the missing rows of the table")
    parser.add_argument("--benchmark-minutes", type=float, default=10, help="time for all benchmarks together")
    parser.add_argument("--data", nargs="+", default=[], help="folders of the data sets, instead of downloads")
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="stages to run")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu for a rehearsal")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu", help="folder for logs and training runs")
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()
    arguments.data = [str(Path(name).resolve()) if Path(name).is_dir() else name for name in arguments.data]
    names = [stage.name for stage in stages(arguments)]
    if unknown := set(arguments.only or ()) - set(names):
        parser.error(f"unknown stages: {', '.join(sorted(unknown))}; choose from {', '.join(names)}")
    return arguments


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C, so that the stage in progress is ended."""
    raise KeyboardInterrupt


def main() -> None:
    signal.signal(signal.SIGTERM, interrupt)
    arguments = read_arguments()
    chosen = [stage for stage in stages(arguments) if arguments.only is None or stage.name in arguments.only]
    try:
        sys.exit(run_all(chosen, arguments.out))
    except KeyboardInterrupt:
        sys.exit("interrupted; logs and results so far are kept")


if __name__ == "__main__":
    main()
