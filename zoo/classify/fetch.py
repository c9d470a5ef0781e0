"""Download of images from public web servers, which cannot reach anything inside this machine's network."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple, Self
from urllib.parse import quote, urljoin, urlsplit

from zoo.errors import InputError, reason_of

MAX_BYTES = 64 * 2**20
"""Size limit of a download."""

TIMEOUT = 30.0
"""Seconds for a download with all its redirects."""

MAX_REDIRECTS = 5

_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 2**16
_SAFE = "%/:=&?~#+!$,;'@()*[]"
"""Characters of a path and a query that stay as they are."""

_NAT64 = IPv6Network("64:ff9b::/96")


def fetch(url: str) -> bytes:
    """Content of a URL.

    Only addresses of the public internet are connected to: each host, also that of a redirect, is resolved, and the
    connection is made to an address that was checked. Proxies of the environment are not used, as they would resolve
    the host again.

    Raises:
        InputError: the scheme is neither http nor https, the host has no public address, the server does not answer
            with a file, or a limit is exceeded.
    """
    with _Deadline(TIMEOUT) as deadline:
        for _ in range(MAX_REDIRECTS + 1):
            target = _Target.of(url)
            try:
                content = _get(target, deadline)
            except (OSError, http.client.HTTPException) as error:
                if not deadline.passed:
                    raise InputError(f"cannot read from {target.host}: {_reason(error)}") from None
            if deadline.passed:
                raise InputError(f"the file did not arrive within the limit of {TIMEOUT:g} s; download it yourself")
            if isinstance(content, bytes):
                return content
            url = urljoin(url, content)
    raise InputError(f"more than {MAX_REDIRECTS} redirects; give the URL of the image itself")


def _reason(error: OSError | http.client.HTTPException) -> str:
    return reason_of(error) if isinstance(error, OSError) else f"no valid answer ({type(error).__name__})"


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet: neither private, loopback, link-local nor reserved."""
    if isinstance(address, IPv6Address):
        # Addresses that stand for an IPv4 address.
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None and not is_public(inner):
            return False
        if address.ipv4_mapped:
            return True
    return address.is_global and not address.is_multicast


class _Deadline:
    """A limit on the time of all connections: they are shut down when it has passed."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._end = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    @property
    def left(self) -> float:
        """Seconds left, at least a moment."""
        return max(self._end - time.monotonic(), 0.001)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()

    @contextmanager
    def guarding(self, connected: socket.socket) -> Iterator[None]:
        """Context in which the socket is shut down once the time has passed."""
        with self._lock:
            self._socket = connected
        try:
            connected.settimeout(self.left)
            yield
        finally:
            with self._lock:
                self._socket = None

    def _expire(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket:
                with suppress(OSError):
                    # Unlike `close`, this wakes a thread that reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Target(NamedTuple):
    """A checked URL."""

    secure: bool
    host: str
    """In ASCII; an IPv6 address without brackets."""
    port: int | None
    path: str

    @classmethod
    def of(cls, url: str) -> "_Target":
        try:
            parts = urlsplit(url)
            name, port = parts.hostname or "", parts.port
            host = name if ":" in name else name.encode("idna").decode()
        except ValueError as error:
            raise InputError(f"not a URL: {error}") from None
        if parts.scheme not in ("http", "https"):
            raise InputError(f"the scheme {parts.scheme!r} is not supported; use http or https, or download the file")
        if not host or port == 0:
            raise InputError("the URL has no host; give one like https://example.org/cat.jpg")
        if parts.username is not None:
            raise InputError("the URL has a user name, which is not sent; download the file, and give its path")
        query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
        return cls(parts.scheme == "https", host, port, quote(parts.path or "/", safe=_SAFE) + query)

    @property
    def header(self) -> str:
        """Value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def _get(target: _Target, deadline: _Deadline) -> bytes | str:
    """The content of a URL, or the location of a redirect."""
    connected = _connect(target, deadline)
    if target.secure:
        connected = ssl.create_default_context().wrap_socket(connected, server_hostname=target.host)
    with connected, deadline.guarding(connected):
        connection = http.client.HTTPConnection(target.host)
        connection.sock = connected
        connection.putrequest("GET", target.path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", target.header)
        connection.putheader("User-Agent", "template-zoo")
        connection.putheader("Accept", "image/*")
        connection.endheaders()
        with connection.getresponse() as response:
            return _read(response)


def _read(response: http.client.HTTPResponse) -> bytes | str:
    if response.status in _REDIRECTS and (location := response.headers.get("Location")):
        return location
    if response.status != 200:
        raise InputError(f"the server answered {response.status} {response.reason}".strip())
    chunks: list[bytes] = []
    size = 0
    while size + (response.length or 0) <= MAX_BYTES and (chunk := response.read(_CHUNK)):
        size += len(chunk)
        chunks.append(chunk)
    if size + (response.length or 0) > MAX_BYTES:
        raise InputError(f"the file exceeds the limit of {MAX_BYTES:,} bytes; download it, and give its path")
    if response.length:
        raise ConnectionError("the connection broke off before the end of the file")
    return b"".join(chunks)


def _connect(target: _Target, deadline: _Deadline) -> socket.socket:
    """A connection to a public address of a host."""
    port = target.port or (443 if target.secure else 80)
    found = [str(each[4][0]) for each in socket.getaddrinfo(target.host, port, type=socket.SOCK_STREAM)]
    public = [address for address in found if is_public(ip_address(address))]
    if not public:
        raise InputError(
            f"{target.host} is not on the public internet ({', '.join(sorted(set(found)))}); download the file, and "
            "give its path"
        )
    for number, address in enumerate(public, start=1):
        try:
            # A numeric address, which is not resolved again.
            return socket.create_connection((address, port), timeout=deadline.left)
        except OSError:
            if number == len(public):
                raise
    raise AssertionError
