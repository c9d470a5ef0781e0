import socket
import time
from dataclasses import dataclass, field

import pytest
from support.small_app import small_server

from serve.process.http1 import ConnectionSweeper

pytestmark = pytest.mark.slow


@dataclass
class Cycle:
    response_complete: bool


@dataclass
class Transport:
    state: str = "open"

    def is_closing(self) -> bool:
        return self.state != "open"

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"


@dataclass(eq=False)
class Connection:
    cycle: Cycle | None = None
    transport: Transport = field(default_factory=Transport)


def states(*connections: Connection) -> list[str]:
    return [connection.transport.state for connection in connections]


def test_a_connection_without_a_request_is_closed_in_time() -> None:
    sweeper = ConnectionSweeper(header_seconds=10, keep_alive_seconds=5, limit=9)
    new, served, working = Connection(), Connection(Cycle(True)), Connection(Cycle(False))
    every = {new, served, working}
    sweeper.sweep(every, 100)
    sweeper.sweep(every, 110)
    assert states(new, served, working) == ["open"] * 3
    sweeper.sweep(every, 111)
    assert states(new, served, working) == ["closed", "open", "open"]
    sweeper.sweep(every, 116)
    assert states(served, working) == ["closed", "open"]
    sweeper.sweep({working}, 1000)
    assert states(working) == ["open"]


def test_a_wait_starts_again_after_each_request() -> None:
    sweeper = ConnectionSweeper(header_seconds=10, keep_alive_seconds=5, limit=9)
    connection = Connection()
    for now in range(0, 100, 9):
        sweeper.sweep({connection}, now)
        connection.cycle = Cycle(True)  # a whole request between two looks
    assert states(connection) == ["open"]


def test_who_does_not_read_the_answer_is_cut_off() -> None:
    sweeper = ConnectionSweeper(header_seconds=10, keep_alive_seconds=5, limit=9)
    slow = Connection(Cycle(True), Transport("closed"))
    sweeper.sweep({slow}, 0)
    sweeper.sweep({slow}, 16)
    assert states(slow) == ["aborted"]


def test_of_too_many_connections_those_that_wait_longest_are_closed() -> None:
    sweeper = ConnectionSweeper(header_seconds=10, keep_alive_seconds=5, limit=3)
    first, second, third, working = Connection(), Connection(), Connection(), Connection(Cycle(False))
    sweeper.sweep([working, first], 0)
    sweeper.sweep([working, first, second], 1)
    sweeper.sweep([working, third, second, first], 2)
    assert states(first, second, third, working) == ["closed", "open", "open", "open"]


def closed_after(connection: socket.socket) -> float:
    """Seconds until the server closes a connection."""
    started = time.monotonic()
    while connection.recv(65536):
        pass
    return time.monotonic() - started


def connect(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(sent)
    return connection


def test_a_slow_head_is_cut_off_and_a_slow_body_is_not() -> None:
    body = b"POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n1"
    with (
        small_server(header_seconds=0.5, keep_alive_seconds=1) as port,
        connect(port) as silent,
        connect(port, b"GET /healthz HTTP/1.1\r\nX-Sl") as slow,
        connect(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /he") as second,
        connect(port, body) as uploading,
    ):
        assert closed_after(silent) < 2
        assert closed_after(slow) < 2
        assert closed_after(second) < 4
        uploading.sendall(b"2")
        assert uploading.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_a_probe_is_answered_however_many_connect() -> None:
    with small_server(max_connections=5) as port:
        silent = [connect(port) for _ in range(50)]
        deadline = time.monotonic() + 10
        while sum(bool(_is_open(one)) for one in silent) > 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert sum(_is_open(one) for one in silent) <= 5
        with connect(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") as probe:
            assert probe.recv(65536).startswith(b"HTTP/1.1 200 OK")
        for one in silent:
            one.close()


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
