"""Fuzz test of `zoo serve` with thousands of damaged images.

    python benchmarks/fuzz.py [--images N] [--seed N] [--url URL] [--model NAME] [--out FILE]

Needs `pip install -e '.[bench]'`. The images are those of `hostile/mutants.py`: valid ones of every supported format,
damaged at random; image I of seed S is always the same. A few clients send them to a server with default settings on
the CPU, or to the one at `--url`, alternating between `/classify` and the map of `/patch-semantics`. Recorded are the
statuses, the server's memory (before, after each round, and at rest after the last), the slowest response, and errors
in the log. Fails if a response is neither 200 nor a refusal meant for images. Raw results are written to
benchmarks/results/fuzz.json.
"""

import argparse
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hostile.mutants import DAMAGES, Mutant, mutant
from hostile.whole import whole
from peers.machine import describe
from peers.messages import HOST, body_request
from peers.server_process import Server
from peers.serving_contenders import our_server
from rich.console import Console

from zoo.files import write_json
from zoo.images.decode import FORMATS
from zoo.machine import cores

EXPECTED = (200, 413, 415, 422)
NO_ANSWER = 0
"""Status of a request whose connection broke."""
ENDPOINTS = (("/classify", "application/json"), ("/patch-semantics", "image/png"))
"""Paths and values of Accept."""
CLIENTS = 4
ROUND = 500
"""Images between measurements of the memory."""
WARMUP = 50
"""Number of times that each valid image is sent first, so that permanent allocations are made."""
REST = 2.0
"""Seconds before the last measurement of the memory."""
PATIENCE = 60.0
RESULTS = Path(__file__).parent / "results" / "fuzz.json"

console = Console(highlight=False)


class Job(NamedTuple):
    """An image for an endpoint."""

    index: int
    mutant: Mutant
    path: str
    accept: str


class Answer(NamedTuple):
    """Response to an image."""

    index: int
    name: str
    path: str
    status: int
    seconds: float


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Damaged images for a server.")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url", help="URL of a running server, whose memory and log are not measured")
    parser.add_argument("--model", default="wrn16-ours", help="model, as for zoo serve")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    return parser.parse_args()


def damaged(seed: int, indices: Iterable[int]) -> Iterator[Job]:
    """Damaged images for alternating endpoints; every endpoint gets every kind of damage in every format."""
    for index in indices:
        yield Job(index, mutant(seed, index), *ENDPOINTS[index // (len(FORMATS) * len(DAMAGES)) % len(ENDPOINTS)])


def sound() -> Iterator[Job]:
    """Valid images of all formats for each endpoint."""
    for index, kind, endpoint in itertools.product(range(WARMUP), FORMATS, ENDPOINTS):
        yield from (Job(index, Mutant(kind, data), *endpoint) for data in whole(kind))


def send(address: str, jobs: Iterable[Job]) -> list[Answer]:
    """Send images one after the other, reusing the connection as long as it is open."""
    connection = HTTPConnection(address, timeout=PATIENCE)
    answers = []
    for index, (name, data), path, accept in jobs:
        started = time.perf_counter()
        try:
            connection.request("POST", path, data, {"Content-Type": "image/png", "Accept": accept})
            response = connection.getresponse()
            response.read()
            status = response.status
        except (OSError, HTTPException):
            connection.close()
            status = NO_ANSWER
        answers.append(Answer(index, name, path, status, round(time.perf_counter() - started, 4)))
    connection.close()
    return answers


def send_at_once(address: str, jobs: Iterable[Job]) -> list[Answer]:
    """Send images with several clients."""
    every = list(jobs)
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = pool.map(lambda start: send(address, every[start::CLIENTS]), range(CLIENTS))
        return [answer for part in parts for answer in part]


@contextmanager
def own_server(model: str) -> Iterator[tuple[Server, Path]]:
    """A server started by this script, with the file of its log."""
    with tempfile.TemporaryDirectory() as folder:
        command = our_server(model, "fp32").command
        with Server(command, {}, Path(folder)) as server:
            server.wait(body_request(whole("PNG")[0], "image/png"))
            yield server, Path(folder) / f"{server.port}.log"


def fuzz(address: str, seed: int, count: int, server: Server | None) -> dict[str, Any]:
    """Send all images; returns the results as JSON."""

    def memory() -> int | None:
        return server.memory() if server else None

    send_at_once(address, sound())
    record: dict[str, Any] = {"memory": {"before": memory(), "rounds": []}}
    answers: list[Answer] = []
    for start in range(0, count, ROUND):
        answers += send_at_once(address, damaged(seed, range(start, min(start + ROUND, count))))
        record["memory"]["rounds"].append(memory())
    time.sleep(REST)
    record["memory"]["after"] = memory()
    slowest = max(answers, key=lambda answer: answer.seconds)
    record["statuses"] = {path: counts(answer for answer in answers if answer.path == path) for path, _ in ENDPOINTS}
    record["formats"] = {kind: counts(answer for answer in answers if answer.name.startswith(kind)) for kind in FORMATS}
    record["slowest"] = slowest._asdict()
    record["unexpected"] = [answer._asdict() for answer in answers if answer.status not in EXPECTED]
    return record


def growth(before: int, rounds: Sequence[int], after: int) -> str:
    """Summary of the memory: freed memory may stay in the process, but leaks keep growing."""
    half = rounds[len(rounds) // 2]
    return (
        f"{before / 1e6:.0f} MB before, {half / 1e6:.0f} MB at half, {after / 1e6:.0f} MB after, "
        f"{max(rounds) / 1e6:.0f} MB at most"
    )


def counts(answers: Iterable[Answer]) -> dict[str, int]:
    """Number of responses by status."""
    return {str(status): number for status, number in sorted(Counter(answer.status for answer in answers).items())}


def read_log(file: Path) -> dict[str, int]:
    """Number of tracebacks, errors and warnings in the log."""
    text = file.read_text(errors="replace")
    return {word: text.count(word) for word in ("Traceback", " ERROR ", " WARNING ")}


def main() -> None:
    arguments = read_arguments()
    record: dict[str, Any] = {
        "machine": describe("cpu", cores()),
        "images": arguments.images,
        "seed": arguments.seed,
        "clients": CLIENTS,
    }
    if arguments.url:
        record |= fuzz(urlsplit(arguments.url).netloc, arguments.seed, arguments.images, None)
    else:
        with own_server(arguments.model) as (server, log):
            record |= fuzz(f"{HOST}:{server.port}", arguments.seed, arguments.images, server)
            record["log"] = read_log(log)
            console.print(f"memory: {growth(**record['memory'])}; log: {record['log']}")
    write_json(arguments.out, record)
    console.print(f"statuses: {record['statuses']}; slowest: {record['slowest']}")
    if record["unexpected"]:
        raise SystemExit(f"{len(record['unexpected'])} unexpected responses: see {arguments.out}")


if __name__ == "__main__":
    main()
