"""The HTTP server of a loopback Hub, and what a test sees of it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from support.loopback_hub import reading, repositories, writing  # noqa: F401  their routes
from support.loopback_hub.access import Access, Role, User
from support.loopback_hub.faults import Fault, Faults
from support.loopback_hub.messages import Answer, RefusalError, Request
from support.loopback_hub.routes import Route, find
from support.loopback_hub.store import Repository


@dataclass(frozen=True)
class Entry:
    """A request that was answered, or broke off."""

    route: str
    method: str
    path: str
    status: int
    range: str | None


class Hub:
    """A running Hub. Its storage has another host name, as that of the true one: no token may be sent there."""

    def __init__(self, port: int) -> None:
        self.url, self.storage_url = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        self.access = Access()
        self.objects: dict[str, bytes] = {}
        """What was uploaded beside git, by SHA-256."""
        self.parts: dict[tuple[str, int], bytes] = {}
        self.part_bytes: int | None = None
        """Objects are uploaded in parts of this size; None for whole."""
        self.page = 1000
        """Entries of a tree in one answer."""
        self.faults = Faults()
        self.log: list[Entry] = []

    @property
    def repositories(self) -> dict[str, Repository]:
        return self.access.repositories

    def token(self, organization: str, role: Role = "write") -> str:
        """A token of a user who has this role there."""
        token = f"hf_{len(self.access.users)}"
        self.access.users[token] = User(f"user{len(self.access.users)}", {organization: role})
        return token

    def asked(self, route: str) -> list[Entry]:
        """The requests of a route."""
        return [entry for entry in list(self.log) if entry.route == route]

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """What a process on a machine that knows only this Hub has in its environment.

        Arguments:
            home: where huggingface_hub keeps what it knows.
            token: with which the process is logged in.
        """
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token or "",
            "HF_HUB_OFFLINE": "0",
            # The loopback Hub has no Xet storage.
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }


@contextmanager
def loopback_hub() -> Iterator[Hub]:
    """A Hub without repositories and users."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.hub
    finally:
        server.hub.faults.end()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def server_activate(self) -> None:
        self.hub = Hub(self.server_port)
        super().server_activate()


class _BrokenOffError(Exception):
    """The connection is to be closed without a word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def _respond(self) -> None:
        hub, address = self.server.hub, urlsplit(self.path)
        route, parts = find(self.command, address.path) or (None, {})
        fault = hub.faults.take(route.name, address.path) if route else None
        status = 0
        try:
            body = self._body(fault)
            request = Request(self.command, address.path, parse_qs(address.query), self.headers, body)
            if fault and fault.answer:
                answer = fault.answer
            elif route:
                answer = _answer(hub, route, request, parts)
            else:
                answer = RefusalError(404, f"No route: {self.command} {address.path}").answer
            status = answer.status
        except (_BrokenOffError, OSError):
            self._break_off()
            return
        finally:
            name = route.name if route else ""
            hub.log.append(Entry(name, self.command, address.path, status, self.headers.get("Range")))
        try:
            self._send(answer, fault)
        except (_BrokenOffError, OSError):
            self._break_off()

    do_GET = do_HEAD = do_POST = do_PUT = _respond  # noqa: N815

    def _body(self, fault: Fault | None) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        if fault and fault.way == "request" and not fault.answer:
            self.rfile.read(min(fault.after, length))
            _happen(fault)
        return self.rfile.read(length)

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault and not fault.answer:
            self.wfile.write(answer.body[: fault.after])
            _happen(fault)
        self.wfile.write(answer.body)

    def _break_off(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *told: object) -> None:
        """Say nothing; the test asks `Hub.log`."""


def _answer(hub: Hub, route: Route, request: Request, parts: dict[str, str]) -> Answer:
    try:
        return route.respond(hub, request, **parts)
    except RefusalError as refused:
        return refused.answer


def _happen(fault: Fault) -> None:
    fault.reached.set()
    if fault.stands:
        fault.over.wait(60)
    raise _BrokenOffError
