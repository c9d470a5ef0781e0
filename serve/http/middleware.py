"""Middleware, outermost first; all of it is plain ASGI."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import HeadersTooLargeError, RequestError, UrlTooLongError
from serve.http.problems import problem_of
from serve.inference.admission import Admission
from serve.logs import ID_HEADER, RequestContext, begin, current
from serve.metrics import Metrics

DEBUG_ROUTES = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Routes that are polled every few seconds, logged at level debug."""

MAX_HEADERS = 100

_log = logging.getLogger(__name__)


class PrefixMiddleware:
    """Supports proxies that strip the path prefix as well as those that keep it.

    Inner layers see a `path` that starts with `root_path`, as ASGI specifies; `route_path` is the rest.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path == self._prefix:
                # The page's relative URLs need the trailing slash.
                return await _redirect(f"{path.rpartition('/')[2]}/", scope)(scope, receive, send)
            if not path.startswith(f"{self._prefix}/"):
                path = self._prefix + path
            scope = {**scope, "path": path, "root_path": self._prefix}
        return await self._app(scope, receive, send)


def route_path(scope: Scope) -> str:
    """Path of a request without the proxy's prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def redirect_without_slash(scope: Scope, router: Router) -> RedirectResponse | None:
    """Redirect for a path that matches a route except for a trailing slash; None for other paths.

    The redirect is relative, so that it keeps the scheme, host and prefix that a proxy presents to the client.
    """
    shorter, raw = scope["path"].removesuffix("/"), scope["raw_path"].decode("latin-1")
    # The encoded slash in `/docs%2F` does not count as a path separator in relative references.
    if not raw.endswith("/") or shorter.endswith("/") or not route_path({**scope, "path": shorter}):
        return None
    if all(route.matches({**scope, "path": shorter})[0] is Match.NONE for route in router.routes):
        return None
    return _redirect(f"../{raw[:-1].rpartition('/')[2]}", scope)


def _redirect(location: str, scope: Scope) -> RedirectResponse:
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{location}?{query}" if query else location)


class RequestLogMiddleware:
    """Assigns an id to each request, and records its outcome in the log and the metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = time.perf_counter()
        context = begin(scope["path"], scope["headers"])
        bytes_in = bytes_out = 0

        async def observed_receive() -> Message:
            nonlocal bytes_in
            message = await receive()
            bytes_in += len(message.get("body", b""))
            return message

        async def observed_send(message: Message) -> None:
            nonlocal bytes_out
            if message["type"] == "http.response.start":
                context.status = message["status"]
                headers = [*message.get("headers", ()), (ID_HEADER, context.id.encode())]
                message = {**message, "headers": headers}
            else:
                bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, observed_receive, observed_send)
        finally:
            report(self._metrics, scope, context, time.perf_counter() - started, bytes_in, bytes_out)


def report(
    metrics: Metrics, scope: Scope, context: RequestContext, seconds: float, bytes_in: int, bytes_out: int
) -> None:
    """Record a completed request in the metrics and the log.

    Arguments:
        metrics: metrics to update.
        scope: ASGI scope of the request: `method`, `path`, `client` and, if one matched, `route`.
        context: further facts about the request.
        seconds: duration.
        bytes_in, bytes_out: size of the request and response bodies.
    """
    # The matched route's pattern, never the raw path: clients must not be able to create new time series.
    route = getattr(scope.get("route"), "path", "other")
    status = context.status or 500
    metrics.request(route, status, context.model, seconds, context.reason)
    level = logging.DEBUG if route in DEBUG_ROUTES else logging.ERROR if status >= 500 else logging.INFO
    if not _log.isEnabledFor(level):
        return
    client = scope["client"][0] if scope.get("client") else ""
    fields = {
        "client": client,
        "method": scope["method"],
        "path": scope["path"][:200],
        "route": route,
        "status": status,
        "ms": round(1000 * seconds, 3),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "model": context.model,
        "key": context.key,
        "reason": context.reason,
    }
    _log.log(level, "request", extra={"fields": fields})


class HeadMiddleware:
    """Responds to HEAD with the status and headers of GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self._app(scope, receive, send)

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # A copy: uvicorn reads the method of its own scope to decide whether a body follows.
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, send_head)
        finally:
            scope["route"] = inner.get("route")


class ErrorMiddleware:
    """Turns every exception of the application into a response, for outer layers to treat like any other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            await self._app(scope, receive, send)
        except (Exception, asyncio.CancelledError) as error:
            answer = problem_of(error)
            if current().status:
                raise  # the response has started and can only be cut off
            await answer(scope, receive, send)


class CheckMiddleware(ABC):
    """Base class of middleware that refuses requests: responds with the error that `check` raises."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self.check(scope)
            except RequestError as error:
                return await problem_of(error)(scope, receive, send)
        return await self._app(scope, receive, send)

    @abstractmethod
    def check(self, scope: Scope) -> None:
        """Raise a `RequestError` to refuse the request."""


class HeaderLimitMiddleware(CheckMiddleware):
    """Refuses requests whose URL or headers exceed `max_bytes`, or that have too many headers."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        super().__init__(app)
        self._max_bytes = max_bytes

    def check(self, scope: Scope) -> None:
        url = len(scope["path"]) + len(scope["query_string"])
        if url > self._max_bytes:
            raise UrlTooLongError(f"the URL of {url} characters is above the limit of {self._max_bytes}; shorten it")
        headers = scope["headers"]
        size = sum([len(name) + len(value) for name, value in headers])
        if size > self._max_bytes or len(headers) > MAX_HEADERS:
            raise HeadersTooLargeError(
                f"{len(headers)} headers of {size} bytes are above the limit of {MAX_HEADERS} headers or "
                f"{self._max_bytes} bytes; send fewer or shorter ones"
            )


class OverloadMiddleware(CheckMiddleware):
    """Responds with 429 to every POST while there is no room for another image.

    Under overload most requests are refused, at the expense of those that are served. Refusing them here is cheaper
    than in `Admission.enter`, which runs only after all of FastAPI's own steps.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        super().__init__(app)
        self._admission = admission

    def check(self, scope: Scope) -> None:
        if scope["method"] == "POST":
            self._admission.check(1, 0)
