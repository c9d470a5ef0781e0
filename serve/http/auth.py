"""Authentication with API keys, rate limits, and the public paths that are exempt from both."""

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
"""Public paths, exempt from API keys and rate limits: probes, the page and the documentation."""

MIN_KEY_LENGTH = 16
RELOAD_SECONDS = 1.0
"""Minimum time between two checks of the API key file."""

# Characters of a bearer token (RFC 6750, section 2.1).
_KEY = re.compile(rf"[A-Za-z0-9._~+/=-]{{{MIN_KEY_LENGTH},}}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = logging.getLogger(__name__)


def is_public(path: str) -> bool:
    """Whether a path is exempt from API keys and rate limits."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES) or path.rstrip("/") in PUBLIC_PATHS


class ApiKeys:
    """Valid API keys, each `NAME:KEY` or `KEY`; several keys may share a name, for rotation.

    Arguments:
        given: keys that are valid as long as the server runs.
        file: file of further keys, one per line, with `#` for comments; it is reloaded when it changes, and if that
            fails the previous keys stay valid. None for no file.
        clock: returns the time in seconds.

    Raises:
        InputError: a key is too short or has invalid characters, or the file cannot be read or has no keys.
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
        """Whether an API key is required."""
        return bool(self._names)

    def name(self, key: str) -> str | None:
        """Name of a key; None if the key is not valid.

        Takes constant time for keys of one length: all digests are compared, each in constant time.
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
            _log.error("API keys not reloaded, the previous ones stay valid: %s", error)
        else:
            _log.info("API keys reloaded: %d valid", len(self._names))


class RateLimiter:
    """Token bucket per client, as the generic cell rate algorithm (ITU-T I.371), whose state is one time per client.

    Libraries such as slowapi share their limits among processes only through a server such as Redis.

    Arguments:
        rate: requests per second.
        burst: requests allowed at once after a pause; 0 for one second's worth.
        full_at: time at which each client's bucket is full again; an evicted client has a full bucket.
        clock: returns the time in seconds, the same for all processes that share `full_at`.
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
        """Count a request; returns 0 if it is allowed, else the seconds until the next one will be."""
        now = self._clock()
        full_at = max(self._full_at[client], now) + self._interval
        wait = full_at - now - self._tolerance
        # Rounding errors must not reject the last request of a burst.
        if wait >= 1e-6:
            return wait
        self._full_at[client] = full_at
        return 0.0


class AuthMiddleware(CheckMiddleware):
    """Middleware that requires an API key and limits the request rate per key name, or per address without keys.

    Arguments:
        keys: valid keys; if empty, no key is required.
        rate: rate limiter; None for no limit.
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
                raise UnauthorizedError("missing API key; send Authorization: Bearer KEY, or X-API-Key: KEY")
            name = self._keys.name(key)
            if name is None:
                raise UnauthorizedError("invalid API key; ask the operator of this server for one")
            current().key = name
        if self._rate and (wait := self._rate.take(name or _client(scope))):
            seconds = math.ceil(wait)
            raise RateLimitError(
                f"rate limit of {self._rate.rate:g} requests per second exceeded; retry in {seconds} s", seconds
            )


def _file_stamp(file: Path) -> tuple[int, ...] | None:
    """Modification time, size and inode of a file, to detect changes; None if it does not exist."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_file(file: Path) -> dict[bytes, str]:
    try:
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise InputError("it is a pipe or a device, which cannot be reloaded")
        # Some editors write a byte order mark.
        lines = file.read_bytes().decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError, InputError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else reason_of(error, "")
        raise InputError(f"cannot read the API key file {file}: {reason}; set api_keys_file to another file") from None
    keys = _read(lines, str(file))
    if not keys:
        raise InputError(f"the API key file {file} has no keys; add one per line, NAME:KEY")
    return keys


def _read(lines: Iterable[str], source: str) -> dict[bytes, str]:
    """Names of keys by their digests. Error messages never contain a key."""
    names = {}
    for number, line in enumerate(lines, 1):
        name, colon, key = line.partition("#")[0].strip().rpartition(":")
        if not (name or colon or key):
            continue
        if not _KEY.fullmatch(key):
            raise InputError(
                f"key {number} of {source}: must be at least {MIN_KEY_LENGTH} characters out of letters, digits and "
                "._~+/=-; generate one with `openssl rand -hex 32`"
            )
        if colon and not _NAME.fullmatch(name):
            raise InputError(
                f"key {number} of {source}: the name {name!r} must be 1 to 64 characters out of letters, digits and ._-"
            )
        digest = _digest(key)
        names[digest] = name or f"key-{digest.hex()[:8]}"
    return names


def _digest(key: str) -> bytes:
    # A fixed length, whatever the client sends.
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
    # Link-local addresses, which end in the interface such as %eth0, all share one network: limit each address.
    return _network(address) if ":" in address and "%" not in address else address


@lru_cache(1024)
def _network(address: str) -> str:
    # A host can usually choose among the 2^64 IPv6 addresses of a /64 network.
    try:
        return str(ip_network((IPv6Address(address), 64), strict=False))
    except ValueError:
        return address
