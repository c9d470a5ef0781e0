"""What does `zoo serve` do with thousands of damaged images?

    python benchmarks/fuzz.py [--images N] [--seed N] [--url URL] [--model NAME] [--out FILE]

Needs `pip install -e '.[bench]'`. The images are those of `hostile/mutants.py`: sound ones of every format that is
read, damaged by chance; image I of seed S is always the same. A few clients send them to a server that runs with its
default settings on the CPU, or to the one at `--url`, in turn for `/classify` and for the map of `/patch-semantics`.
Written down are the statuses, the server's memory before, after each round and a while after the last, its slowest
answer, and what its log says of it. It fails if an answer is neither 200 nor one of the refusals that are meant for
images. Raw results go to benchmarks/results/fuzz.json.
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
"""The status of a request whose connection broke."""
ENDPOINTS = (("/classify", "application/json"), ("/patch-semantics", "image/png"))
"""Paths, and what is accepted."""
CLIENTS = 4
ROUND = 500
"""Images between two looks at the memory."""
WARMUP = 50
"""Times that each sound image is sent before: what the server keeps for good is there then."""
REST = 2.0
"""Seconds before the last look at the memory."""
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
    """What came of it."""

    index: int
    name: str
    path: str
    status: int
    seconds: float


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Damaged images for a server.")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url", help="of a server that runs; its memory and log are not looked at")
    parser.add_argument("--model", default="wrn16-ours", help="as for zoo serve")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the raw results go")
    return parser.parse_args()


def damaged(seed: int, indices: Iterable[int]) -> Iterator[Job]:
    """Images for the endpoints in turn; each kind of damage of each format comes to all of them."""
    for index in indices:
        yield Job(index, mutant(seed, index), *ENDPOINTS[index // (len(FORMATS) * len(DAMAGES)) % len(ENDPOINTS)])


def sound() -> Iterator[Job]:
    """Whole images of all formats for each endpoint."""
    for index, kind, endpoint in itertools.product(range(WARMUP), FORMATS, ENDPOINTS):
        yield from (Job(index, Mutant(kind, data), *endpoint) for data in whole(kind))


def send(address: str, jobs: Iterable[Job]) -> list[Answer]:
    """Send images one after the other, on one connection as long as it holds."""
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
    """Send images by several clients."""
    every = list(jobs)
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = pool.map(lambda start: send(address, every[start::CLIENTS]), range(CLIENTS))
        return [answer for part in parts for answer in part]


@contextmanager
def own_server(model: str) -> Iterator[tuple[Server, Path]]:
    """A server of this script, and where its log goes."""
    with tempfile.TemporaryDirectory() as folder:
        command = our_server(model, "fp32").command
        with Server(command, {}, Path(folder)) as server:
            server.wait(body_request(whole("PNG")[0], "image/png"))
            yield server, Path(folder) / f"{server.port}.log"


def fuzz(address: str, seed: int, count: int, server: Server | None) -> dict[str, Any]:
    """Send all of it; what came of it, as JSON."""

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
    """The memory in words: what is freed may stay with the process, but what leaks goes on growing."""
    half = rounds[len(rounds) // 2]
    return (
        f"{before / 1e6:.0f} MB before, {half / 1e6:.0f} MB at half, {after / 1e6:.0f} MB after, "
        f"{max(rounds) / 1e6:.0f} MB at most"
    )


def counts(answers: Iterable[Answer]) -> dict[str, int]:
    """How often there was each status."""
    return {str(status): number for status, number in sorted(Counter(answer.status for answer in answers).items())}


def read_log(file: Path) -> dict[str, int]:
    """How often the log has what it should not have."""
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
        raise SystemExit(f"{len(record['unexpected'])} answers are not as they should be: see {arguments.out}")


if __name__ == "__main__":
    main()
