"""`zoo serve` in a process of its own, started as a user starts it, and what reaches it as bytes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2

PROGRAM = Path(sys.executable).with_name("zoo")
PATIENCE = 20.0
"""Seconds for what must happen soon."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(
    *flags: str, output: int | IO[str] = subprocess.PIPE, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `zoo serve` and its URL; a server that is asked much needs a file as output, since a pipe fills up."""
    port = free_port()
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", str(port), "--threads", "1", "--processes", "1", *flags],
        # By default, the engine depends on the processor and on what is installed.
        env=os.environ | {"ZOO_ENGINE": "onnxruntime"} | environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx2.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield process, url
    finally:
        process.kill()
        process.communicate()


def connect(url: str, data: bytes = b"") -> socket.socket:
    """A connection to a server that has sent it so much."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.sendall(data)
    return connection


def head(length: int) -> bytes:
    """The head of a request with an image of so many bytes."""
    return (
        b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % length
    )


def half_a_request(url: str) -> socket.socket:
    """A connection that has announced an image and sent a part of it."""
    return connect(url, head(1000) + b"half")


def rest_of(connection: socket.socket) -> str:
    """All that a server sends until it closes a connection."""
    with connection.makefile("rb") as stream:
        return stream.read().decode()
