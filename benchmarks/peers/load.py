"""A lightweight load generator that records the time of each request.

    cd benchmarks; python -m peers.load < LOAD

In a *closed loop*, each of a number of clients sends its next request after the response to the last: this measures
peak throughput. In an *open loop*, requests are due at random times (a Poisson process) regardless of the server, each
on an idle connection or a new one, as in real traffic. Times count from the moment when a request was due, even if no
connection was idle, so that a slow response does not hide the wait of those behind it (no coordinated omission).

One thread, non-blocking sockets, prepared requests; only status, length and keep-alive of a response are parsed. No
library on PyPI offers an open loop with the time of every request at so low a cost: load-testing libraries build and
parse each request in Python, on the cores that the server under test needs.

Reads a `Load` as JSON. Writes a line `begin` when the measured time begins, a line `end` when it ends, and then a line
of JSON: `cpu_seconds` of this process in that time, and `samples`, each a `Sample`. Needs only the standard library.
"""

import gc
import itertools
import json
import random
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from peers.messages import HOST, RECEIVED, Answer, parse_answer

CONNECTIONS = 512
"""Maximum number of connections in an open loop; a request without an idle one waits while its time counts."""
FAILED, UNANSWERED = 0, -1
"""Statuses of requests whose connection broke, and of those unanswered at the end of the patience."""

clock = time.perf_counter


@dataclass(frozen=True, slots=True)
class Load:
    """A load to send; times are in seconds."""

    port: int
    requests: tuple[str, ...]
    """Files with one HTTP request each, sent in rotation."""
    warmup: float
    """Warm-up before the measured time."""
    seconds: float
    """Measured time."""
    clients: int = 0
    """Number of clients of a closed loop; 0 for an open loop."""
    rate: float = 0.0
    """Requests per second of an open loop."""
    seed: int = 0
    """Seed of its random times."""
    patience: float = 15.0
    """Time to wait for responses after the last request was due."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Sample(NamedTuple):
    """Times of a request in seconds."""

    due: float
    """Due time after the start of the measured time; negative in the warm-up."""
    sent: float
    """Delay of its first bytes after it was due."""
    took: float
    """Delay of the response, failure or timeout after it was due."""
    status: int


def arrivals(rate: float, start: float, stop: float, seed: int) -> Iterator[float]:
    """Random times from `start` to before `stop`, `rate` a second on average, as independent senders make them."""
    source = random.Random(seed)
    now = start + source.expovariate(rate)
    while now < stop:
        yield now
        now += source.expovariate(rate)


class Pace(Protocol):
    """When requests are due."""

    next: float
    """The time to look again, if there was nothing to take."""

    def take(self, now: float) -> float | None:
        """When the request that is to be sent now was due; None if there is none."""


class Closed:
    """A request is due whenever a connection is free."""

    next = float("inf")

    def __init__(self, stop: float) -> None:
        self._stop = stop

    def take(self, now: float) -> float | None:
        return now if now < self._stop else None


class Open:
    """Requests are due at given times, ascending."""

    def __init__(self, times: Iterator[float]) -> None:
        self._times = times
        self.next = next(times, float("inf"))

    def take(self, now: float) -> float | None:
        due = self.next
        if due > now:
            return None
        self.next = next(self._times, float("inf"))
        return due


class Connection:
    """A socket with at most one request on its way."""

    __slots__ = ("due", "received", "rest", "sent", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex((HOST, port))
        self.due: float | None = None
        """Of its request; None without one."""
        self.sent = 0.0
        self.rest = memoryview(b"")
        """What is not sent yet."""
        self.received = bytearray()

    def send(self) -> None:
        """Send what the socket takes now."""
        with suppress(BlockingIOError):
            self.rest = self.rest[self.socket.send(self.rest) :]

    def receive(self) -> Answer | None:
        """Read what is there; the answer when all of it is.

        Raises:
            OSError: the connection ended before.
        """
        data = self.socket.recv(RECEIVED)
        if not data:
            raise ConnectionResetError
        self.received += data
        answer = parse_answer(self.received)
        return answer if answer and len(self.received) >= answer.length else None


class Generator:
    """Sends a load, and records a sample for every request.

    Arguments:
        load: the load.
        requests: contents of its files.
    """

    def __init__(self, load: Load, requests: Sequence[bytes]) -> None:
        self.samples: list[Sample] = []
        self.begin = clock() + load.warmup
        self.end = self.begin + load.seconds
        self._load = load
        self._pace: Pace = Closed(self.end)
        if not load.clients:
            self._pace = Open(arrivals(load.rate, clock(), self.end, load.seed))
        self._limit = load.clients or CONNECTIONS
        self._requests = itertools.cycle([memoryview(request) for request in requests])
        self._selector = selectors.DefaultSelector()
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        # A selector waits for whole milliseconds; an alarm that wakes it does not.
        self._alarm, waker = socket.socketpair()
        for one in (self._alarm, waker):
            one.setblocking(False)
        self._waker = waker
        signal.signal(signal.SIGALRM, lambda number, frame: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._alarm, selectors.EVENT_READ)

    def run(self, until: float) -> None:
        """Run until a time on this module's clock or, after the end, until no request is in flight."""
        while (now := self._dispatch(until)) < until:
            if now >= self.end and len(self._idle) == len(self._open):
                return
            free = self._idle or len(self._open) < self._limit
            self._wait(min(until, self._pace.next) if free else until, now)

    def give_up(self) -> None:
        """Record requests without a response, including those never sent."""
        now = clock()
        for connection in self._open:
            if connection.due is not None:
                self._note(connection, now, UNANSWERED)
        while (due := self._pace.take(now)) is not None:
            self.samples.append(Sample(due - self.begin, now - due, now - due, UNANSWERED))

    def _dispatch(self, until: float) -> float:
        """Send all due requests for which there are connections and time; returns the time when this was done."""
        while (now := clock()) < until and (self._idle or len(self._open) < self._limit):
            due = self._pace.take(now)
            if due is None:
                break
            connection = self._idle.pop() if self._idle else self._connect()
            connection.due, connection.sent = due, now
            connection.rest = next(self._requests)
            self._send(connection, waits=False)
        return now

    def _wait(self, until: float, now: float) -> None:
        """Handle events until a time, or until one has occurred."""
        signal.setitimer(signal.ITIMER_REAL, max(until - now, 1e-6))
        for key, events in self._selector.select():
            connection = key.data
            if connection is None:
                self._alarm.recv(64)
                continue
            if events & selectors.EVENT_READ:
                self._receive(connection)
            elif connection.due is not None:
                self._send(connection, waits=True)

    def _connect(self) -> Connection:
        connection = Connection(self._load.port)
        self._open.add(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def _send(self, connection: Connection, waits: bool) -> None:
        """Send as much as possible; `waits` is whether the selector already waits for writability."""
        try:
            connection.send()
        except OSError:
            self._lose(connection)
            return
        if bool(connection.rest) != waits:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.rest else 0)
            self._selector.modify(connection.socket, events, connection)

    def _receive(self, connection: Connection) -> None:
        if connection.due is None:  # no request in flight: closed by the server
            self._lose(connection)
            return
        try:
            answer = connection.receive()
        except BlockingIOError:
            return
        except OSError:
            self._lose(connection)
            return
        if answer is None:
            return
        self._note(connection, clock(), answer.status)
        # A server that responds before the whole request is sent does not want the rest.
        if answer.closes or connection.rest:
            self._close(connection)
        else:
            connection.received.clear()
            self._idle.append(connection)

    def _lose(self, connection: Connection) -> None:
        """Handle a connection closed by the server: a failure if a request was in flight."""
        if connection.due is None:
            self._idle.remove(connection)
        else:
            self._note(connection, clock(), FAILED)
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._open.remove(connection)

    def _note(self, connection: Connection, now: float, status: int) -> None:
        due = connection.due
        assert due is not None
        self.samples.append(Sample(due - self.begin, connection.sent - due, now - due, status))
        connection.due = None


def main() -> None:
    load = Load(**json.load(sys.stdin))
    generator = Generator(load, [Path(file).read_bytes() for file in load.requests])
    gc.disable()  # there are no cycles, and a collection would delay a request
    generator.run(generator.begin)
    used = time.process_time()
    print("begin", flush=True)
    generator.run(generator.end)
    used = time.process_time() - used
    print("end", flush=True)
    generator.run(generator.end + load.patience)
    generator.give_up()
    samples = [[round(value, 6) for value in sample] for sample in generator.samples]
    print(json.dumps({"cpu_seconds": round(used, 3), "samples": samples}), flush=True)


if __name__ == "__main__":
    main()
