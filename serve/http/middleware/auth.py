"""API keys and rate limits."""

import math
from functools import lru_cache
from ipaddress import IPv6Address, ip_network

from starlette.types import ASGIApp, Scope

from serve.errors import RateLimitError, UnauthorizedError
from serve.http.auth import ApiKeys, RateLimiter, is_public
from serve.http.middleware.check import CheckMiddleware
from serve.http.middleware.prefix import route_path
from serve.request_context import current


class AuthMiddleware(CheckMiddleware):
    """Requires an API key, and limits the rate of each key's name, or of each address where there are no keys.

    Arguments:
        keys: if it is empty, no key is needed.
        rate: None for no limit.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, rate: RateLimiter | None) -> None:
        super().__init__(app)
        self._keys = keys
        self._rate = rate

    def check(self, scope: Scope) -> None:
        if is_public(route_path(scope)):
            return
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
