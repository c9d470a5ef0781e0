"""A connection of the load generator."""

import socket
from contextlib import suppress

from peers.messages import HOST, RECEIVED, Answer, parse_answer


class Connection:
    """A socket with at most one request in flight."""

    __slots__ = ("due", "received", "rest", "sent", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex((HOST, port))
        self.due: float | None = None
        """Time when its request was due; None without a request."""
        self.sent = 0.0
        self.rest = memoryview(b"")
        """Bytes not sent yet."""
        self.received = bytearray()

    def send(self) -> None:
        """Send as much as the socket accepts."""
        with suppress(BlockingIOError):
            self.rest = self.rest[self.socket.send(self.rest) :]

    def receive(self) -> Answer | None:
        """Read available bytes; returns the response once it is complete.

        Raises:
            OSError: the connection ended early.
        """
        data = self.socket.recv(RECEIVED)
        if not data:
            raise ConnectionResetError
        self.received += data
        answer = parse_answer(self.received)
        return answer if answer and len(self.received) >= answer.length else None
