"""Refuses requests that there is no room for, before anything else is done for them; as plain ASGI."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.errors import QueueFullError
from serve.http.problems import problem_of
from serve.inference.admission import Admission


class Turnstile:
    """Answers 429 to every POST while no other picture may come into work.

    Under overload most requests are refused, and what that costs is taken from those that are answered. So it happens
    here, and not where they enter (`Admission.enter`), which FastAPI reaches after all its own steps.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            try:
                self._admission.check(1, 0)
            except QueueFullError as error:
                return await problem_of(error)(scope, receive, send)
        return await self._app(scope, receive, send)
