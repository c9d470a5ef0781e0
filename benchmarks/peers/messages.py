"""HTTP requests as bytes, and minimal parsing of responses."""

import re
import socket
from typing import NamedTuple

HOST = "127.0.0.1"
RECEIVED = 2**16
"""Bytes per read."""
PATH = "/classify"
MODELS_PATH = "/models"
FIELD = "file"
BOUNDARY = "benchmark-7d9f2c41"


def form_request(image: bytes, media_type: str) -> bytes:
    """A form with a file, as sent by browsers and `curl -F`."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{FIELD}"; filename="image"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    body = head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()
    return _post(f"multipart/form-data; boundary={BOUNDARY}", body)


def body_request(image: bytes, media_type: str) -> bytes:
    """The file as the body."""
    return _post(media_type, image)


def models_request() -> bytes:
    """A request for the descriptions of our server's models."""
    return f"GET {MODELS_PATH} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def _post(content_type: str, body: bytes) -> bytes:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Answer(NamedTuple):
    """Parsed head of a response."""

    status: int
    length: int
    """Total size in bytes."""
    closes: bool
    """Whether the connection is closed after it."""


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def parse_answer(received: bytes | bytearray) -> Answer | None:
    """Parse the response that begins with these bytes; None while its head is incomplete.

    Raises:
        ValueError: it has no Content-Length.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(received, 0, end)
    if length is None:
        raise ValueError(f"response without Content-Length: {bytes(received[:end])!r}; the load generator needs one")
    return Answer(int(received[9:12]), end + 4 + int(length[1]), _CLOSE.search(received, 0, end) is not None)


def exchange(port: int, request: bytes, timeout: float) -> tuple[int, bytes]:
    """Send one request; returns the status and body of the response.

    Raises:
        OSError: there is no response within `timeout` seconds.
    """
    received = b""
    with socket.create_connection((HOST, port), timeout) as connection:
        connection.sendall(request)
        while (answer := parse_answer(received)) is None or len(received) < answer.length:
            data = connection.recv(RECEIVED)
            if not data:
                raise ConnectionResetError(f"the connection ended after {len(received)} bytes")
            received += data
    return answer.status, received[received.index(b"\r\n\r\n") + 4 :]
