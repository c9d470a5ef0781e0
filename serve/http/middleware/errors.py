"""Answers for uncaught errors, as plain ASGI."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.http.problems import problem_of
from serve.request_context import current


class ErrorMiddleware:
    """Turns whatever the application raises into an answer, which outer layers treat as any other."""

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
                raise  # the answer has begun, and can only be broken off
            await answer(scope, receive, send)
