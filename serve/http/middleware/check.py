"""Base of the layers that refuse requests before the application sees them."""

from abc import ABC, abstractmethod

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.errors import RequestError
from serve.http.problems import problem_of


class CheckMiddleware(ABC):
    """Answers for the application where `check` raises an error; plain ASGI."""

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
        """Raise a `RequestError` if the request is refused."""
