"""A damaged request on a connection of its own, and a judgement of what came back."""

import socket
import time
from typing import NamedTuple

from hostile.requests import damaged_request, most_answers

REFUSALS = frozenset({400, 431})
"""Statuses of bytes that are no request."""
QUIET_SECONDS = 0.4
"""Without a byte, after which nothing more is expected."""


class Outcome(NamedTuple):
    """What came of a request."""

    index: int
    name: str
    requests: int
    """That the connection carried."""
    statuses: tuple[int, ...]
    wrong: str
    """What is not as it should be; empty if nothing."""


def outcome(seed: int, address: tuple[str, int], index: int) -> Outcome:
    """Send a damaged request, and judge the answers."""
    name, packets = damaged_request(seed, index)
    received = b""
    with socket.create_connection(address, timeout=QUIET_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for packet in packets:
                connection.sendall(packet)
                time.sleep(0.001)
            while data := connection.recv(2**16):
                received += data
        except OSError:
            pass  # it is silent, or has closed the connection
    requests = most_answers(b"".join(packets))
    try:
        statuses = statuses_of(received)
    except ValueError as error:
        return Outcome(index, name, requests, (), f"no answer: {error}")
    wrong = ""
    if any(status >= 500 for status in statuses):
        wrong = "the server failed"
    elif len(statuses) > requests and not (len(statuses) == requests + 1 and statuses[-1] in REFUSALS):
        wrong = "more answers than requests"
    return Outcome(index, name, requests, statuses, wrong)


def statuses_of(received: bytes) -> tuple[int, ...]:
    """The statuses of all answers, without those that announce others.

    Raises:
        ValueError: the bytes are something else.
    """
    statuses = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        if not end or not status_line.startswith(b"HTTP/1.1 "):
            raise ValueError(repr(received[:80]))
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        length = int(fields.get(b"content-length", b"0"))
        if len(rest) < length:
            raise ValueError(f"{len(rest)} of {length} bytes after {status_line!r}")
        statuses.append(int(status_line.split()[1]))
        received = rest[length:]
    return tuple(status for status in statuses if status >= 200)
