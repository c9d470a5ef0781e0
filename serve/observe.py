"""Every request's id, log line and numbers, as plain ASGI."""

import asyncio
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.metrics import Metrics
from serve.problems import problem_of
from serve.request_context import ID_HEADER, RequestContext, begin

QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Routes that are asked every few seconds; they are logged as `debug`."""

_log = logging.getLogger(__name__)


class Observe:
    """Gives each request its id, answers for errors that nobody caught, and then reports to the log and `Metrics`."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = time.perf_counter()
        context = begin(scope["path"], scope["headers"])
        status = bytes_in = bytes_out = 0

        async def observed_receive() -> Message:
            nonlocal bytes_in
            message = await receive()
            bytes_in += len(message.get("body", b""))
            return message

        async def observed_send(message: Message) -> None:
            nonlocal status, bytes_out
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (ID_HEADER, context.id.encode())]
                message = {**message, "headers": headers}
            else:
                bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, observed_receive, observed_send)
        except (Exception, asyncio.CancelledError) as error:
            answer = problem_of(error)
            if status:
                raise  # the answer has begun, and can only be broken off
            await answer(scope, observed_receive, observed_send)
        finally:
            self._report(scope, context, status or 500, time.perf_counter() - started, bytes_in, bytes_out)

    def _report(
        self, scope: Scope, context: RequestContext, status: int, seconds: float, bytes_in: int, bytes_out: int
    ) -> None:
        # The matched route's pattern, never the raw path: clients must not be able to make new time series.
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.request(route, status, context.model, seconds, context.reason)
        level = logging.DEBUG if route in QUIET else logging.ERROR if status >= 500 else logging.INFO
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
