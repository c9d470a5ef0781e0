"""The id, log line and metrics of every request."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.metrics import Metrics
from serve.request_context import ID_HEADER, RequestContext, begin

DEBUG_ROUTES = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Routes that are polled every few seconds; they are logged as `debug`."""

_log = logging.getLogger(__name__)


class RequestLogMiddleware:
    """Gives each request an id, and reports its outcome to the log and to `Metrics`; plain ASGI."""

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
    """Count an answer, and log it.

    Arguments:
        metrics: that count it.
        scope: of the request: its `method`, `path` and `client`, and its `route` if there is one.
        context: what else is known of it.
        seconds: that it took.
        bytes_in, bytes_out: of the bodies.
    """
    # The matched route's pattern, never the raw path: clients must not be able to make new time series.
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
