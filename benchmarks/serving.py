"""Speed of `zoo serve`, compared with other servers of the same ONNX file on the same machine.

    python benchmarks/serving.py [--servers NAME ...] [--images KIND ...] [--clients N ...] [--seconds S]
                                 [--repeats N] [--rates SHARE ...] [--peer-python PATH] [--model NAME]
                                 [--device D] [--minutes N] [--out FILE]
    python benchmarks/serving.py --images 640x480 --clients 32 --seconds 8 --rates      # only the most informative part
    python benchmarks/serving.py --images 640x480 --clients 32 --rates --model dn100-ours-c     # another model

Needs `pip install --group bench -e .`, or the peers' packages (bentoml, litserve, fastapi, uvicorn, uvloop, httptools,
python-multipart, onnxruntime, pillow) in another environment, whose interpreter is given by `--peer-python`. Peers that
are not installed or do not start are skipped and reported. The peers are in `peers/servers/`, each written as in its
documentation; the tuned one is the fastest that we could write by hand, and also computes our files of lower precision.

Every server runs in its own process and gets the same images, as forms over keep-alive connections, from a load
generator in another process (`peers/load.py`). The servers take turns, so that a busy machine slows all of them, and
are paused between turns; ratios are taken per turn. Parts of the run:

- closed loop: each client sends its next request after its last response; by kind of image and number of clients.
- no HTTP: the same images decoded and computed by threads (`peers/no_http.py`), the limit of the machine.
- open loop: requests with images of 640x480 arrive at random times, at shares of the server's peak throughput in a
  closed loop; latency counts from the time when a request was due.

On CUDA, peers use ONNX Runtime's CUDA provider with its default options. With `--minutes`, loads that do not fit in the
time left are left out. A variant without weights in `weights/` (`--model dn100-ours-c`) is measured with random ones,
on which times do not depend; a model directory is given as `--model local-dir:PATH`.

Raw results of every turn are written to benchmarks/results/serving.json (on CUDA, serving.cuda.json; of other models
than the default one, serving.MODEL.json); `make docs` writes docs/serving.md (docs/gpu.md) from them. On a noisy
machine, compare the ratios rather than the times.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from peers.budget import Budget
from peers.contest import Contest
from peers.loops import Loops, capacities, lines
from peers.machine import describe
from peers.messages import models_request
from peers.photographs import KINDS
from peers.server_process import STARTS_WITHIN
from peers.serving_contenders import DEFAULT, PRECISIONS, contenders, environment, versions
from rich.console import Console

from zoo.errors import ZooError
from zoo.files import write_json
from zoo.hub import DEFAULT_DATA, DEFAULT_MODEL, local_models, open_model, reference_of
from zoo.machine import cores
from zoo.package import Package
from zoo.registry import list_models
from zoo.runtime import Device

CLIENTS = (1, 8, 32, 128)
RATES = (0.2, 0.5, 0.8, 1.0, 1.2, 1.5)
OPEN_LOOP_IMAGE = "640x480"
RESULTS: dict[Device, str] = {"cpu": "serving", "cuda": "serving.cuda"}
"""Beginnings of the names of the files for the raw results."""

console = Console()
console.width = max(console.width, 130)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed of serving compared with other servers.")
    parser.add_argument("--servers", nargs="+", metavar="NAME", help="servers to compare")
    parser.add_argument("--images", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of images to send")
    parser.add_argument(
        "--clients", type=int, nargs="+", default=CLIENTS, help="numbers of clients in the closed loops"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="measured seconds per turn of a closed loop")
    parser.add_argument("--open-seconds", type=float, default=6.0, help="measured seconds of an open loop")
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds before each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="number of turns per server in each closed loop")
    parser.add_argument(
        "--rates", type=float, nargs="*", default=RATES, help="loads of the open loops, as shares of peak throughput"
    )
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter with the peers' packages")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model, as for zoo serve, or a variant")
    parser.add_argument("--device", default="cpu", choices=RESULTS)
    parser.add_argument("--minutes", type=float, help="time limit; what does not fit is left out")
    parser.add_argument("--out", type=Path, help="file for the raw results")
    arguments = parser.parse_args()
    names = contenders(arguments.model, arguments.peer_python, arguments.device)
    arguments.servers = arguments.servers or [name for name in names if "raw" not in name]
    if unknown := set(arguments.servers) - set(names):
        parser.error(f"unknown servers: {', '.join(sorted(unknown))}; choose from {', '.join(names)}")
    return arguments


def results_file(package: Package, device: Device) -> Path:
    """File for the raw results of a model."""
    name, suffix = package.config.name, ".json"
    if name != DEFAULT_MODEL:
        suffix = f".{name}.json"
    return Path(__file__).parent / "results" / f"{RESULTS[device]}{suffix}"


def measured_model(model: str, device: Device, folder: Path, progress: Callable[[str], None]) -> Package:
    """The model directory of `--model`, made with random weights in a folder for a variant that has no others."""
    if model not in list_models() or f"{model}.{DEFAULT_DATA}" in local_models():
        package = open_model(model)
        return replace(package, path=package.path.absolute())  # the servers run in other folders
    # Imports torch, which other models do not need.
    from peers.random_model import random_model

    return random_model(model, PRECISIONS[device], folder, progress)


def say(text: str) -> None:
    """Print progress as a plain line, since an animated spinner would use the CPU."""
    console.print(f"{datetime.now():%H:%M:%S} {text}", style="dim", highlight=False)


def main() -> None:
    arguments = read_arguments()
    budget = Budget(arguments.minutes)
    with tempfile.TemporaryDirectory() as folder:
        try:
            package = measured_model(arguments.model, arguments.device, Path(folder), say)
        except ZooError as error:
            raise SystemExit(str(error)) from None
        compare(arguments, package, Path(folder), budget)


def compare(arguments: argparse.Namespace, package: Package, folder: Path, budget: Budget) -> None:
    """Measure the servers of a model, whose requests and logs are written to a folder."""
    model, out = reference_of(package), arguments.out or results_file(package, arguments.device)
    known = contenders(model, arguments.peer_python, arguments.device)
    kinds = [KINDS[kind] for kind in arguments.images]
    record: dict[str, Any] = {
        "machine": describe(arguments.device, cores()),
        "versions": {"ours": versions(sys.executable), "peers": versions(arguments.peer_python)},
        "model": package.config.name,
        "warmup": arguments.warmup,
        "seconds": arguments.seconds,
        "open_seconds": arguments.open_seconds,
        "repeats": arguments.repeats,
        "closed": {},
        "no_http": {},
    }

    def keep(step: str) -> None:
        write_json(out, record)
        say(step)

    starts_within = min(STARTS_WITHIN, budget.left / len(arguments.servers))
    with Contest(folder, kinds, starts_within) as contest:
        for name in arguments.servers:
            contest.enter(known[name], environment(known[name], package, folder, arguments.device))
            say(f"{name}: {contest.left_out.get(name, 'started')}")
        if not contest.names:
            raise SystemExit("no server started")
        record["left_out"] = contest.left_out
        if DEFAULT in contest.names:
            [served] = json.loads(contest.ask(DEFAULT, models_request()))
            record["default"] = {name: served[name] for name in ("precision", "device")}
        record["images"] = {
            kind: [Path(file).stat().st_size for file in files.images] for kind, files in contest.files.items()
        }
        loops = Loops(contest, arguments.repeats, arguments.warmup)

        def fits(step: str) -> bool:
            if budget.fits():
                return True
            say(f"{step} is left out, to end on time")
            return False

        for kind in kinds:
            record["closed"][kind.name] = {}
            for clients in (clients for clients in arguments.clients if clients not in kind.skipped):
                step = f"{kind.name}, {clients} clients"
                if fits(step):
                    with budget.measurement():
                        turns = loops.closed(kind, clients, arguments.seconds)
                    record["closed"][kind.name][str(clients)] = turns
                    keep("\n  ".join([step, *lines(turns)]))
            step = f"{kind.name}, no HTTP"
            if fits(step):
                record["no_http"][kind.name] = loops.no_http(kind, model, arguments.seconds, arguments.device)
                keep(step)
        if record["closed"].get(OPEN_LOOP_IMAGE):
            record["open"] = {}
            most = capacities(record["closed"][OPEN_LOOP_IMAGE])
            for seed, share in enumerate(arguments.rates):
                kind, step = KINDS[OPEN_LOOP_IMAGE], f"open loop, {share:.0%} of peak"
                if fits(step):
                    record["open"][str(share)] = loops.open(kind, share, most, arguments.open_seconds, seed)
                    keep(step)


if __name__ == "__main__":
    main()
