"""HTTP/1.1 as uvicorn speaks it with httptools, with stricter framing and limits on idle connections.

All that relies on uvicorn's internals stands here. `pyproject.toml` therefore has an upper bound on uvicorn: run
`tests/serve/process` with a new version before raising it.
"""

import asyncio
from collections.abc import Callable, Collection
from contextvars import copy_context
from typing import Any, NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serve.http.middleware import report
from serve.http.problems import problem
from serve.logs import ID_HEADER, begin
from serve.metrics import Metrics

LINGER_SECONDS = 2.0
"""Time for which the rest of a request is read after an answer that ends the connection, in seconds."""


class _Transport:
    """A transport with another way to close, after which nothing more is written."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None], closed: Callable[[], bool]) -> None:
        self._transport = transport
        self.close = close
        self.is_closing = closed

    def write(self, data: bytes) -> None:
        if not self.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _RefusedError(Exception):
    """Stops the parser within a request that was refused."""


class StrictHttpProtocol(HttpToolsProtocol):
    """Ends every request where RFC 9112 says that it ends, and refuses what does not.

    Beyond uvicorn:

    - a request is refused as soon as `h11_max_incomplete_event_size` bytes of its head are there and not its end, and
      so are the fields after a body in chunks;
    - an upgrade is ignored, as RFC 9110 allows: httptools ends a request with `Upgrade` at its head, so that its body
      would be lost and parsed as requests;
    - `CONNECT`, transfer codings but `chunked`, and a request without its one `Host` are refused;
    - an answer before the end of a body reaches its client: the rest is read for a while;
    - an answer to bytes that no request has never stands before, or within, the answer to a request.

    What it refuses itself never comes to the application, and is answered and reported here as the application's
    answers are.

    Arguments:
        metrics: that count what is refused.
        uvicorn: uvicorn's own arguments.
    """

    url = b""
    _unfinished = 0
    """Bytes that came since the last end of a head or part of a body."""
    _refused = False
    _lingers = False

    def __init__(self, metrics: Metrics, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._metrics = metrics

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._unfinished += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(400, "bad_request", "this is not HTTP/1.1; see RFC 9112")
        limit = self.config.h11_max_incomplete_event_size
        if limit is not None and self._unfinished > limit:
            self._refuse(
                431, "headers_too_large", f"the headers are above the limit of {limit} bytes; send shorter ones"
            )

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # The parser has ended the request with its head, and perhaps the connection: another one begins with
                # the same head.
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_headers_complete(self) -> None:
        self._unfinished = 0
        self._require_plain_framing()
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self.cycle.transport = _Transport(self.transport, self._close, self._closed)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _require_plain_framing(self) -> None:
        """Refuse heads that the parser accepts, and that RFC 9112 does not or this server cannot follow.

        All with 400, where 501 would do for some: what clients send must not look like a failure of the server.
        """
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        hosts = sum(name == b"host" for name, _ in self.headers)
        version = self.parser.get_http_version()
        old = version == "1.0"
        if version not in ("1.0", "1.1"):
            self._refuse(400, "bad_request", "the request line names no version of HTTP; end it with HTTP/1.1")
        elif self.parser.get_method() == b"CONNECT":
            self._refuse(400, "bad_request", "this server is no proxy; it does not know CONNECT")
        elif codings and old:
            self._refuse(400, "bad_request", "HTTP/1.0 has no Transfer-Encoding; send a Content-Length")
        elif codings and codings != [b"chunked"]:
            self._refuse(400, "bad_request", "of all transfer codings this server knows chunked alone")
        elif hosts > 1 or not (hosts or old):
            self._refuse(400, "bad_request", f"the request has {hosts} Host headers; send one")
        if self._refused:
            raise _RefusedError

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self._refused:
            return
        self._refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                # These bytes follow a whole request, for whose answer theirs would be taken: only that one is given.
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._close()
                return
        # In a context of its own: what else is logged on the event loop is not of this request.
        copy_context().run(self._answer, status, code, message)

    def _close(self) -> None:
        """End the connection after an answer; what is left of the request's body is thrown away first."""
        if self.cycle is not None and self.cycle.more_body:
            self._linger()
        else:
            self.transport.close()

    def _closed(self) -> bool:
        return self._lingers or self.transport.is_closing()

    def _linger(self) -> None:
        """Send the end of the stream, and read on for a while.

        A socket that is closed with unread bytes resets the connection, and the client may lose the answer.
        """
        if self._closed():
            return
        self._refused = self._lingers = True
        self.pipeline.clear()
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _answer(self, status: int, code: str, message: str) -> None:
        path = self.url.decode("latin-1").partition("?")[0]
        context = begin(path, self.headers or ())
        context.status = status
        answer = problem(status, code, message, {"Connection": "close", ID_HEADER.decode(): context.id})
        head = b"".join([b"%s: %s\r\n" % header for header in answer.raw_headers])
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + answer.body)
        self._linger()
        # Its method may be what is wrong with it; and nothing was done for it that takes time.
        scope = {"method": "", "path": path, "client": self.client}
        report(self._metrics, scope, context, seconds=0, bytes_in=0, bytes_out=len(answer.body))


class _Wait(NamedTuple):
    request: Any
    """The last one, or None; another one means that the wait ended in between."""
    since: float


class ConnectionSweeper:
    """Closes connections that wait too long for the head of a request, or read their answer too slowly.

    uvicorn closes those that are silent after an answer, but neither new ones nor those that send a head, or what is
    left of a refused body, byte by byte.

    Arguments:
        header_seconds: for a head to arrive.
        keep_alive_seconds: after an answer, before the next head begins.
        limit: of connections; of more, those that have waited longest are closed at once.
    """

    def __init__(self, header_seconds: float, keep_alive_seconds: float, limit: int) -> None:
        self._header_seconds = header_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._limit = limit
        self._waits: dict[Any, _Wait] = {}

    def sweep(self, connections: Collection[Any], now: float) -> None:
        """Close the connections that exceed their limits; to be called about every second.

        Arguments:
            connections: uvicorn's protocols, in `Server.server_state`.
            now: in seconds.
        """
        waits: dict[Any, _Wait] = {}
        for connection in connections:
            request = connection.cycle
            if request is None or request.response_complete:
                before = self._waits.get(connection)
                waits[connection] = before if before and before.request is request else _Wait(request, now)
        self._waits = waits
        excess = len(connections) - self._limit
        for connection, wait in sorted(waits.items(), key=lambda item: item[1].since):
            allowed = self._header_seconds + (self._keep_alive_seconds if wait.request else 0)
            if excess > 0 or now - wait.since > allowed:
                excess -= 1
                _close(connection.transport)


def _close(transport: Any) -> None:
    if transport.is_closing():
        transport.abort()  # it still waits for its client to read the rest of the answer
    else:
        transport.close()
