"""Refusal under overload, before anything else is done for a request."""

from starlette.types import ASGIApp, Scope

from serve.http.middleware.check import CheckMiddleware
from serve.inference.admission import Admission


class OverloadMiddleware(CheckMiddleware):
    """Answers 429 to every POST while there is no room for another image.

    Under overload most requests are refused, and what that costs is taken from those that are answered. So it happens
    here, and not where they enter (`Admission.enter`), which FastAPI reaches after all its own steps.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        super().__init__(app)
        self._admission = admission

    def check(self, scope: Scope) -> None:
        if scope["method"] == "POST":
            self._admission.check(1, 0)
