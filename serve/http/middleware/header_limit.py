"""How large the head of a request may be, as plain ASGI."""

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.errors import HeadersTooLargeError, RequestError, UrlTooLongError
from serve.http.problems import problem_of

MAX_HEADERS = 100


class HeadLimit:
    """Refuses requests whose URL or headers are longer than `max_bytes`, or that have too many headers."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope)
            except RequestError as error:
                return await problem_of(error)(scope, receive, send)
        return await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        url = len(scope["path"]) + len(scope["query_string"])
        if url > self._max_bytes:
            raise UrlTooLongError(
                f"a URL of {url} characters is above the limit of {self._max_bytes}; use a shorter one"
            )
        headers = scope["headers"]
        size = sum([len(name) + len(value) for name, value in headers])
        if size > self._max_bytes or len(headers) > MAX_HEADERS:
            raise HeadersTooLargeError(
                f"{len(headers)} headers of {size} bytes are above the limit of {MAX_HEADERS} headers or "
                f"{self._max_bytes} bytes; send fewer or shorter ones"
            )
