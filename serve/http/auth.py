"""Who may ask, and how often: API keys, rate limits, and the paths that need neither."""

import hmac
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_network
from pathlib import Path

from starlette.types import ASGIApp, Scope

from serve.errors import RateLimitError, UnauthorizedError
from serve.http.middleware import CheckMiddleware, route_path
from serve.logs import current
from serve.shared import SharedTimes
from zoo.errors import InputError, reason_of
from zoo.files import expand_path

PUBLIC_PATHS = frozenset({"/", "/healthz", "/readyz", "/docs", "/redoc", "/openapi.json"})
PUBLIC_PREFIXES = ("/page/", "/docs-assets/", "/v2/health/")
"""Public paths, without keys and limits: probes, the page, and the documentation."""

MIN_KEY_LENGTH = 16
RELOAD_SECONDS = 1.0
"""Shortest time between two checks of the file of keys."""

# What a bearer token may have (RFC 6750, section 2.1).
_KEY = re.compile(rf"[A-Za-z0-9._~+/=-]{{{MIN_KEY_LENGTH},}}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = logging.getLogger(__name__)


def is_public(path: str) -> bool:
    """Whether a path needs no key and has no rate limit."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES) or path.rstrip("/") in PUBLIC_PATHS


class ApiKeys:
    """The keys that are valid now, each `NAME:KEY` or only `KEY`; several may have one name while they are replaced.

    Arguments:
        given: keys that hold as long as the server runs.
        file: a file of others, one a line, with `#` before a comment; it is read again whenever it changes, and one
            that cannot be read then changes nothing. None for no file.
        clock: in seconds.

    Raises:
        InputError: a key is too short or has other characters than a token, or the file cannot be read or has no key.
    """

    def __init__(
        self, given: Iterable[str], file: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._given = _read(given, "api_keys")
        self._file = expand_path(file) if file else None
        self._clock = clock
        self._names = self._given
        if self._file:
            self._stamp = _file_stamp(self._file)
            self._looked = clock()
            self._names = self._given | _read_file(self._file)

    def __bool__(self) -> bool:
        """Whether a key is needed."""
        return bool(self._names)

    def name(self, key: str) -> str | None:
        """The name of a key; None if it is not valid.

        It takes as long for every key of a length: all digests are compared, each in constant time.
        """
        self._refresh()
        asked, found = _digest(key), None
        for digest, name in self._names.items():
            if hmac.compare_digest(digest, asked):
                found = name
        return found

    def _refresh(self) -> None:
        if not self._file or self._clock() < self._looked + RELOAD_SECONDS:
            return
        self._looked = self._clock()
        stamp = _file_stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._names = self._given | _read_file(self._file)
        except InputError as error:
            _log.error("the API keys stay as they were: %s", error)
        else:
            _log.info("the API keys were read again: %d are valid", len(self._names))


class RateLimiter:
    """A token bucket for each client, as the generic cell rate algorithm (ITU-T I.371): its state is one time a client.

    Arguments:
        rate: requests a second.
        burst: requests at once after a pause; 0 for those of one second.
        full_at: time at which each client's bucket is full again; an evicted client has a full one.
        clock: in seconds, the same for all who share these times.
    """

    def __init__(
        self, rate: float, burst: int, full_at: SharedTimes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self._interval = 1 / rate
        self._tolerance = (burst or math.ceil(rate)) * self._interval
        self._full_at = full_at
        self._clock = clock

    def take(self, client: str) -> float:
        """Count a request; returns 0 if it is allowed, else the seconds until the next one is."""
        now = self._clock()
        full_at = max(self._full_at[client], now) + self._interval
        wait = full_at - now - self._tolerance
        # The sums of floating-point intervals must not cost the last request of a burst.
        if wait >= 1e-6:
            return wait
        self._full_at[client] = full_at
        return 0.0


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


def _file_stamp(file: Path) -> tuple[int, ...] | None:
    """A value that changes when a file does; None if the file does not exist."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_file(file: Path) -> dict[bytes, str]:
    try:
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise InputError("it is a pipe or a device, which cannot be read again")
        # Some editors begin a file with a byte order mark.
        lines = file.read_bytes().decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError, InputError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else reason_of(error)
        raise InputError(
            f"the file of API keys {file} cannot be read: {reason}; name another in api_keys_file"
        ) from None
    keys = _read(lines, str(file))
    if not keys:
        raise InputError(f"the file of API keys {file} has no key; write one a line, NAME:KEY")
    return keys


def _read(lines: Iterable[str], source: str) -> dict[bytes, str]:
    """Names by digests. No message shows a key."""
    names = {}
    for number, line in enumerate(lines, 1):
        name, colon, key = line.partition("#")[0].strip().rpartition(":")
        if not (name or colon or key):
            continue
        if not _KEY.fullmatch(key):
            raise InputError(
                f"key {number} of {source}: a key has at least {MIN_KEY_LENGTH} letters, digits and ._~+/=-; "
                "make one with `openssl rand -hex 32`"
            )
        if colon and not _NAME.fullmatch(name):
            raise InputError(f"key {number} of {source}: the name {name!r} is not 1 to 64 letters, digits and ._-")
        digest = _digest(key)
        names[digest] = name or f"key-{digest.hex()[:8]}"
    return names


def _digest(key: str) -> bytes:
    # Of one length, whatever a client sends.
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


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
