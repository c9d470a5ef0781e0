"""How fast does `zoo serve` answer, compared with other servers of the same ONNX file on the same machine?

    python benchmarks/serving.py [--servers NAME ...] [--images KIND ...] [--clients N ...] [--seconds S]
                                 [--repeats N] [--rates SHARE ...] [--peer-python PATH] [--model NAME] [--out FILE]
    python benchmarks/serving.py --images 640x480 --clients 32 --seconds 8 --rates      # the most telling part alone

Needs `pip install --group bench -e .`, or the peers' packages (bentoml, litserve, fastapi, uvicorn, python-multipart,
onnxruntime, pillow) in another environment, whose interpreter `--peer-python` names. A peer that is not there or does
not start is left out, and said so. The peers are the files of `peers/servers/`, each as its documentation writes one.

Every server is a process of its own and has the same images, as forms over kept connections, from a load generator
that is another process (`peers/load.py`). They take turns, so that a busy machine slows all, and who has no turn is
paused; ratios are the turns' own. Each part of the run:

- closed loop: each client sends its next request when it has its answer; by the kind of images and number of clients.
- no HTTP: the same images decoded and computed by threads, see `peers/no_http.py`: what the machine can do.
- open loop: requests with images of 640x480 come at random times, at shares of the most that the server did with them
  in a closed loop; times count from when a request was due.

Raw results go to benchmarks/results/serving.json, of every turn; `make docs` writes docs/serving.md from it. On a noisy
machine read the ratios, not the times.
"""

import argparse
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from peers.contest import Contest
from peers.loops import Loops, capacities, lines
from peers.machine import describe
from peers.photographs import KINDS
from peers.serving_contenders import contenders, environment, versions
from rich.console import Console

from zoo.files import write_json
from zoo.hub import open_model
from zoo.machine import cores

CLIENTS = (1, 8, 32, 128)
RATES = (0.2, 0.5, 0.8, 1.0, 1.2, 1.5)
OPEN_LOOP_IMAGE = "640x480"
RESULTS = Path(__file__).parent / "results" / "serving.json"

console = Console()
console.width = max(console.width, 130)


def read_arguments() -> argparse.Namespace:
    everyone = list(contenders("", sys.executable))
    parser = argparse.ArgumentParser(description="Speed of serving against other servers.")
    parser.add_argument(
        "--servers", nargs="+", choices=everyone, default=[name for name in everyone if "raw" not in name]
    )
    parser.add_argument("--images", nargs="+", choices=KINDS, default=list(KINDS), help="kinds to send")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="of the closed loops")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured in each turn of a closed loop")
    parser.add_argument("--open-seconds", type=float, default=6.0, help="measured of an open loop")
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds before them")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each server in each closed loop")
    parser.add_argument("--rates", type=float, nargs="*", default=RATES, help="shares of the most, of the open loops")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the peers' packages")
    parser.add_argument("--model", default="wrn16-ours", help="as for zoo serve")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the raw results go")
    return parser.parse_args()


def say(text: str) -> None:
    """What is done: a line, since what turns on the screen computes too."""
    console.print(f"{datetime.now():%H:%M:%S} {text}", style="dim", highlight=False)


def main() -> None:
    arguments = read_arguments()
    package = open_model(arguments.model)
    known = contenders(arguments.model, arguments.peer_python)
    kinds = [KINDS[kind] for kind in arguments.images]
    record: dict[str, Any] = {
        "machine": describe("cpu", cores()),
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
        write_json(arguments.out, record)
        say(step)

    with tempfile.TemporaryDirectory() as folder, Contest(Path(folder), kinds) as contest:
        for name in arguments.servers:
            contest.enter(known[name], environment(package, Path(folder)))
            say(f"{name}: {contest.left_out.get(name, 'started')}")
        record["left_out"] = contest.left_out
        record["images"] = {
            kind: [Path(file).stat().st_size for file in files.images] for kind, files in contest.files.items()
        }
        loops = Loops(contest, arguments.repeats, arguments.warmup)
        for kind in kinds:
            record["closed"][kind.name] = {}
            for clients in (clients for clients in arguments.clients if clients not in kind.skipped):
                turns = loops.closed(kind, clients, arguments.seconds)
                record["closed"][kind.name][str(clients)] = turns
                keep("\n  ".join([f"{kind.name}, {clients} clients", *lines(turns)]))
            record["no_http"][kind.name] = loops.no_http(kind, arguments.model, arguments.seconds)
            keep(f"{kind.name}, no HTTP")
        if OPEN_LOOP_IMAGE in record["closed"]:
            record["open"] = {}
            most = capacities(record["closed"][OPEN_LOOP_IMAGE])
            for seed, share in enumerate(arguments.rates):
                kind = KINDS[OPEN_LOOP_IMAGE]
                record["open"][str(share)] = loops.open(kind, share, most, arguments.open_seconds, seed)
                keep(f"open loop, {share:.0%} of the most")


if __name__ == "__main__":
    main()
