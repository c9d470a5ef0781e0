"""The load generator: what it sends, when, and what it notes."""

import itertools
import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from peers import load
from peers.load import FAILED, UNANSWERED, Closed, Load, Open, Sample, arrivals
from peers.messages import HOST, body_request, exchange


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "TestServer"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.arrived.release()
        self.server.gate.wait(20)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: Any) -> None:
        pass


class TestServer(ThreadingHTTPServer):
    """Answers while its gate is open."""

    __test__ = False
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, status: int) -> None:
        super().__init__((HOST, 0), Handler)
        self.status = status
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the generator left


@contextmanager
def serving(status: int = 200) -> Iterator[TestServer]:
    with TestServer(status) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server
        finally:
            server.gate.set()
            server.shutdown()


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    file = tmp_path / "request"
    file.write_bytes(body_request(bytes(10_000), "image/png"))
    return str(file)


def generate(plan: Load) -> list[Sample]:
    """What the generator writes for a load, in a process of its own."""
    command, folder = [sys.executable, "-m", load.__name__], Path(load.__file__).parents[1]
    done = subprocess.run(command, input=plan.to_json(), capture_output=True, text=True, cwd=folder)
    assert not done.stderr
    begin, end, record = done.stdout.splitlines()
    assert (begin, end) == ("begin", "end")
    found = json.loads(record)
    assert found["cpu_seconds"] >= 0
    return [Sample(*sample) for sample in found["samples"]]


@pytest.mark.process
def test_a_closed_loop_has_as_many_on_their_way_as_clients(request_file: str) -> None:
    with serving() as server:
        samples = generate(Load(server.server_port, (request_file,), warmup=0.1, seconds=0.3, clients=2))
    assert {sample.status for sample in samples} == {200}
    assert min(sample.due for sample in samples) < 0 < max(sample.due for sample in samples) < 0.3
    for sample in samples:
        others = (other for other in samples if other.due < sample.due < other.due + other.took)
        assert sum(1 for _ in others) <= 1


@pytest.mark.process
def test_an_open_loop_does_not_wait_for_answers(request_file: str) -> None:
    plan = {"warmup": 0.0, "seconds": 0.5, "rate": 100.0, "seed": 3}
    due = list(arrivals(100, 0, 0.5, seed=3))
    with serving() as server:
        server.gate.clear()

        def open_when_all_are_there() -> None:
            for _ in range(len(due) - 2):  # the times begin a little before the load does
                assert server.arrived.acquire(timeout=20)
            server.gate.set()

        opener = threading.Thread(target=open_when_all_are_there)
        opener.start()
        samples = generate(Load(server.server_port, (request_file,), **plan))
        opener.join()
    assert {sample.status for sample in samples} == {200}
    assert len(samples) == pytest.approx(len(due), abs=2)
    # All were answered when the last but two had come: the times run from when each was due.
    assert min(sample.due + sample.took for sample in samples) >= sorted(sample.due for sample in samples)[-4]


@pytest.mark.process
def test_what_is_not_answered_is_counted(request_file: str) -> None:
    with serving() as server:
        server.gate.clear()
        samples = generate(Load(server.server_port, (request_file,), 0.0, 0.2, clients=3, patience=0.1))
    assert [sample.status for sample in samples] == [UNANSWERED] * 3
    assert all(sample.due + sample.took >= 0.3 for sample in samples)


@pytest.mark.process
def test_a_refusal_is_an_answer(request_file: str) -> None:
    with serving(status=429) as server:
        samples = generate(Load(server.server_port, (request_file,), 0.0, 0.1, clients=1))
    assert {sample.status for sample in samples} == {429}


def test_a_server_that_is_not_there_fails(request_file: str) -> None:
    with serving() as server:
        port = server.server_port
    samples = generate(Load(port, (request_file,), 0.0, 0.1, rate=100.0))
    assert samples
    assert {sample.status for sample in samples} == {FAILED}


def test_one_request_and_its_answer(request_file: str) -> None:
    with serving(status=404) as server:
        assert exchange(server.server_port, Path(request_file).read_bytes(), timeout=20) == (404, b"{}")


def test_arrivals_are_a_poisson_process() -> None:
    times = list(arrivals(1000, 5, 15, seed=1))
    assert times == sorted(times)
    assert 5 < times[0] < times[-1] < 15
    assert abs(len(times) - 10_000) < 5 * 100
    gaps = [after - before for before, after in itertools.pairwise(times)]
    # The gaps of independent senders are exponential: their deviation is their mean.
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)
    assert list(arrivals(1000, 5, 15, seed=1)) == times != list(arrivals(1000, 5, 15, seed=2))


def test_a_closed_loop_is_due_at_once_until_it_ends() -> None:
    pace = Closed(stop=10)
    assert [pace.take(now) for now in (1, 9.9, 10)] == [1, 9.9, None]


def test_an_open_loop_is_due_by_its_times_alone() -> None:
    pace = Open(iter([1.0, 2.0, 2.5]))
    assert pace.take(0.9) is None
    assert pace.next == 1.0
    # Late, it keeps when each was due.
    assert [pace.take(2.2), pace.take(2.2), pace.take(2.2)] == [1.0, 2.0, None]
    assert pace.next == 2.5
    assert pace.take(3) == 2.5
    assert pace.take(1e9) is None
