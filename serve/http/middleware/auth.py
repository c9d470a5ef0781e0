"""Who may ask, and how often, as plain ASGI."""

import math
from functools import lru_cache
from ipaddress import IPv6Address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from serve.errors import RateLimitError, RequestError, UnauthorizedError
from serve.http.middleware.keys import Keys
from serve.http.middleware.prefix import route_path
from serve.http.middleware.rate import RateLimit
from serve.http.problems import problem_of
from serve.request_context import current

OPEN = frozenset({"/", "/healthz", "/readyz", "/docs", "/redoc", "/openapi.json"})
OPEN_BELOW = ("/page/", "/docs-assets/", "/v2/health/")
"""For everybody, and never refused: probes, the page, and what describes the interface."""


class Guard:
    """Asks for an API key, and refuses who asks too often: each key's name, or each address where there are no keys.

    Arguments:
        keys: none of them is needed if it is empty.
        rate: None for no limit.
    """

    def __init__(self, app: ASGIApp, keys: Keys, rate: RateLimit | None) -> None:
        self._app = app
        self._keys = keys
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(route_path(scope)):
            try:
                self._check(scope)
            except RequestError as error:
                return await problem_of(error)(scope, receive, send)
        return await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        name = None
        if self._keys:
            key = _key(scope)
            if key is None:
                raise UnauthorizedError("there is no API key; send one: Authorization: Bearer KEY, or X-API-Key: KEY")
            name = self._keys.name(key)
            if name is None:
                raise UnauthorizedError("the API key is not one of this server; ask its operator for one")
            current().key = name
        if self._rate and (wait := self._rate.take(name or _client(scope))):
            seconds = math.ceil(wait)
            raise RateLimitError(
                f"this is above the limit of {self._rate.rate:g} requests a second; try again in {seconds} s", seconds
            )


def is_open(path: str) -> bool:
    """Whether everybody may ask for a path, as often as they like."""
    return path in OPEN or path.startswith(OPEN_BELOW) or path.rstrip("/") in OPEN


def _key(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value, "latin-1").strip()
        if name == b"authorization":
            scheme, _, key = str(value, "latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return key.strip()
    return None


def _client(scope: Scope) -> str:
    address: str = scope["client"][0] if scope.get("client") else ""
    # All neighbours on a link have one network; their addresses end in its name, such as %eth0.
    return _network(address) if ":" in address and "%" not in address else address


@lru_cache(1024)
def _network(address: str) -> str:
    # A host usually has a whole network of 2^64 IPv6 addresses to choose from.
    try:
        return str(ip_network((IPv6Address(address), 64), strict=False))
    except ValueError:
        return address
