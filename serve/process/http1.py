"""uvicorn's HTTP/1.1 protocol (httptools) with stricter framing, and limits on idle connections.

All code that relies on uvicorn's internals is in this module. `pyproject.toml` therefore has an upper bound on uvicorn:
run `tests/serve/process` with a new version before raising it.
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
"""Time for which the rest of a request is still read after a response that ends the connection, in seconds."""


class _Transport:
    """Transport with a replaced `close`, after which nothing more is written."""

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
    """Raised in a parser callback to stop parsing a refused request."""


class StrictHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 protocol that frames requests strictly as in RFC 9112, and refuses malformed ones.

    Differences from uvicorn:

    - a request is refused as soon as its incomplete headers exceed `h11_max_incomplete_event_size` bytes, and so are
      trailer fields after a chunked body;
    - upgrades are ignored, as RFC 9110 allows: httptools ends a request with `Upgrade` after its headers, and would
      parse its body as further requests;
    - `CONNECT`, transfer codings other than `chunked`, and requests without exactly one `Host` are refused;
    - a response sent before the end of the request body reaches the client: the rest is still read for a while;
    - the response to malformed bytes never precedes or interrupts the response to a request.

    Requests that are refused here never reach the application; they are answered, logged and counted like others.

    Arguments:
        metrics: counters of refused requests.
        uvicorn: arguments of uvicorn's protocol.
    """

    url = b""
    _unfinished = 0
    """Bytes received since the last complete headers or piece of a body."""
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
            self._refuse(400, "bad_request", "the request is not valid HTTP/1.1; see RFC 9112")
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
                # The parser ended the request after its headers, and possibly the connection: feed the same headers
                # to a new parser.
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
        """Refuse requests that the parser accepts but RFC 9112 forbids, or this server does not support.

        The status is always 400, although 501 would fit some: client errors must not look like server errors.
        """
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        hosts = sum(name == b"host" for name, _ in self.headers)
        version = self.parser.get_http_version()
        old = version == "1.0"
        if version not in ("1.0", "1.1"):
            self._refuse(400, "bad_request", "the request line has no supported HTTP version; end it with HTTP/1.1")
        elif self.parser.get_method() == b"CONNECT":
            self._refuse(400, "bad_request", "CONNECT is not supported, since this server is not a proxy")
        elif codings and old:
            self._refuse(400, "bad_request", "Transfer-Encoding is not defined for HTTP/1.0; send a Content-Length")
        elif codings and codings != [b"chunked"]:
            self._refuse(400, "bad_request", "unsupported transfer coding; use chunked")
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
                # These bytes follow a complete request, and a client would take the error for its response: send only
                # the latter.
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._close()
                return
        # In a separate context: later log records of the event loop do not belong to this request.
        copy_context().run(self._answer, status, code, message)

    def _close(self) -> None:
        """Close the connection after a response; the rest of the request body is read and discarded first."""
        if self.cycle is not None and self.cycle.more_body:
            self._linger()
        else:
            self.transport.close()

    def _closed(self) -> bool:
        return self._lingers or self.transport.is_closing()

    def _linger(self) -> None:
        """Shut down writing, and keep reading for a while.

        Closing a socket with unread bytes resets the connection, and the client may lose the response.
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
        # The method may be what is invalid; and the duration is negligible.
        scope = {"method": "", "path": path, "client": self.client}
        report(self._metrics, scope, context, seconds=0, bytes_in=0, bytes_out=len(answer.body))


class _Wait(NamedTuple):
    request: Any
    """Last request on the connection, or None; if it changes, a new wait begins."""
    since: float


class ConnectionSweeper:
    """Closes connections whose request headers do not arrive in time, or whose clients read too slowly.

    uvicorn closes connections that stay silent after a response, but neither silent new ones nor those that send
    headers, or the rest of a refused body, byte by byte.

    Arguments:
        header_seconds: time limit for receiving the request headers.
        keep_alive_seconds: additional time after a response, before the next request starts.
        limit: maximum number of connections; beyond it, those that have been idle longest are closed at once.
    """

    def __init__(self, header_seconds: float, keep_alive_seconds: float, limit: int) -> None:
        self._header_seconds = header_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._limit = limit
        self._waits: dict[Any, _Wait] = {}

    def sweep(self, connections: Collection[Any], now: float) -> None:
        """Close the connections that exceed their limits; call about once a second.

        Arguments:
            connections: uvicorn's protocol objects, from `Server.server_state`.
            now: current time, in seconds.
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
        transport.abort()  # it is still waiting for the client to read the rest of the response
    else:
        transport.close()
