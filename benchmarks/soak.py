"""Soak test of `zoo serve`: a long load, and an overload.

    python benchmarks/soak.py [--minutes N] [--images KIND] [--model NAME] [--precision P] [--out FILE]

Needs `pip install --group bench -e .`. The server runs with default settings on the CPU. First its peak throughput is
measured in a closed loop. Then requests arrive at random times (`peers/load.py`):

- for `--minutes`, at 80% of peak: memory every second, latency and errors every minute;
- for one minute, at three times peak: remaining throughput, and latency of rejections.

Raw results are written to benchmarks/results/soak.json; `make docs` writes docs/serving.md from it.
"""

import argparse
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from peers.contest import Contest
from peers.drive import Driven
from peers.load import Sample
from peers.machine import describe
from peers.outcome import outcome
from peers.photographs import KINDS
from peers.server_process import Server
from peers.serving_contenders import our_server
from rich.console import Console

from zoo.files import write_json
from zoo.hub import open_model
from zoo.machine import cores
from zoo.runtime import Precision

STEADY, OVERLOAD = 0.8, 3.0
"""Loads as shares of peak throughput."""
OVERLOAD_SECONDS = 60.0
MINUTE = 60.0
CAPACITY = {"clients": 32, "warmup": 2.0, "seconds": 5.0}
CAPACITY_TURNS = 3
RESULTS = Path(__file__).parent / "results" / "soak.json"

console = Console()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Soak test: a long load, and an overload.")
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of the long load")
    parser.add_argument("--overload-seconds", type=float, default=OVERLOAD_SECONDS)
    parser.add_argument("--images", choices=KINDS, default="640x480", help="kind of images to send")
    parser.add_argument("--model", default="wrn16-ours", help="model, as for zoo serve")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    return parser.parse_args()


@contextmanager
def memory_of(server: Server) -> Iterator[list[int]]:
    """Context manager that records a server's memory in bytes every second."""
    sizes: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1):
            sizes.append(server.memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()


def by_minute(samples: tuple[Sample, ...], seconds: float) -> list[dict[str, Any]]:
    """Results of each minute of an open loop; the last may be shorter."""
    starts = range(0, int(seconds), int(MINUTE))
    return [outcome(samples, min(MINUTE, seconds - start), False, start).to_json() for start in starts]


def long_load(contest: Contest, name: str, kind: str, **load: Any) -> tuple[Driven, dict[str, Any]]:
    """Send a load while recording the memory."""
    with memory_of(contest.server(name)) as sizes:
        driven = contest.send(name, kind, **load)
    return driven, {"rate": load["rate"], "memory": sizes} | driven.to_json()


def main() -> None:
    arguments = read_arguments()
    contender, kind = our_server(arguments.model, arguments.precision, "cpu"), KINDS[arguments.images]
    record: dict[str, Any] = {
        "machine": describe("cpu", cores()),
        "model": open_model(arguments.model).config.name,
        "precision": arguments.precision,
        "images": kind.name,
    }
    with tempfile.TemporaryDirectory() as folder, Contest(Path(folder), [kind]) as contest:
        contest.enter(contender, {})
        if contest.left_out:
            raise SystemExit(f"the server did not start: {contest.left_out[contender.name]}")
        turns = [contest.send(contender.name, kind.name, **CAPACITY).to_json() for _ in range(CAPACITY_TURNS)]
        most = statistics.median(turn["requests_per_second"] for turn in turns)
        record["capacity"] = {"requests_per_second": most, "turns": turns}
        console.print(f"peak: {most} requests/s", highlight=False)

        seconds = MINUTE * arguments.minutes
        driven, steady = long_load(
            contest, contender.name, kind.name, rate=round(STEADY * most, 2), warmup=2.0, seconds=seconds
        )
        record["steady"] = steady | {"minutes": by_minute(driven.samples, seconds)}
        write_json(arguments.out, record)
        console.print(f"steady: {summary(steady)}", highlight=False)

        rate, seconds = round(OVERLOAD * most, 2), arguments.overload_seconds
        _, overload = long_load(contest, contender.name, kind.name, rate=rate, warmup=2.0, seconds=seconds)
        record["overload"] = overload
        write_json(arguments.out, record)
        console.print(f"overload: {summary(overload)}", highlight=False)


def summary(load: dict[str, Any]) -> str:
    """Summary of a load in one line."""
    sizes = [size / 1e6 for size in load["memory"]] or [0.0]
    counts = ", ".join(f"{load[word]} {word}" for word in ("requests", "rejected", "failed", "unanswered"))
    return (
        f"offered {load['rate']} req/s, answered {load['requests_per_second']} req/s ({counts}), latency "
        f"{load['latency']}, rejections {load['rejection']}, memory {sizes[0]:.0f} to {max(sizes):.0f} MB"
    )


if __name__ == "__main__":
    main()
