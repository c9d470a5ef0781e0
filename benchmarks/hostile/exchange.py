"""Sending a damaged request on its own connection, and checking the responses."""

import socket
import time
from typing import NamedTuple

from hostile.requests import damaged_request, most_answers

REFUSALS = frozenset({400, 431})
"""Statuses for bytes that are not a request."""
QUIET_SECONDS = 0.4
"""Seconds of silence after which no more bytes are expected."""


class Outcome(NamedTuple):
    """Responses to a damaged request."""

    index: int
    name: str
    requests: int
    """Number of requests on the connection."""
    statuses: tuple[int, ...]
    wrong: str
    """Problem found; empty if none."""


def outcome(seed: int, address: tuple[str, int], index: int) -> Outcome:
    """Send a damaged request, and check the responses."""
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
            pass  # timeout, or closed by the server
    requests = most_answers(b"".join(packets))
    try:
        statuses = statuses_of(received)
    except ValueError as error:
        return Outcome(index, name, requests, (), f"not a response: {error}")
    wrong = ""
    if any(status >= 500 for status in statuses):
        wrong = "the server failed"
    elif len(statuses) > requests and not (len(statuses) == requests + 1 and statuses[-1] in REFUSALS):
        wrong = "more responses than requests"
    return Outcome(index, name, requests, statuses, wrong)


def statuses_of(received: bytes) -> tuple[int, ...]:
    """Final statuses of all responses.

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
