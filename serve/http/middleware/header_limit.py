"""Limits on the URL and the headers of a request."""

from starlette.types import ASGIApp, Scope

from serve.errors import HeadersTooLargeError, UrlTooLongError
from serve.http.middleware.check import CheckMiddleware

MAX_HEADERS = 100


class HeaderLimitMiddleware(CheckMiddleware):
    """Refuses requests whose URL or headers are longer than `max_bytes`, or that have too many headers."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        super().__init__(app)
        self._max_bytes = max_bytes

    def check(self, scope: Scope) -> None:
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
