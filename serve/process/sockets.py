"""Listening sockets: one per worker process, all bound to the same address."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from zoo.errors import ZooError

CAN_SHARE_ADDRESS = hasattr(socket, "SO_REUSEPORT")
"""Whether several sockets may share an address, with connections balanced among them by the system."""


class AddressError(ZooError):
    """The server cannot listen on the configured address."""


@contextmanager
def listening(host: str, port: int, count: int) -> Iterator[list[socket.socket]]:
    """Context with sockets that are bound to one address but not listening yet.

    Arguments:
        host, port: address; port 0 for any free port.
        count: number of sockets; above 1 only if `CAN_SHARE_ADDRESS`.

    Raises:
        AddressError: the address is in use, or is not one of this machine.
    """
    with ExitStack() as stack:
        # With a shared address, a second server on the same port would go unnoticed: first bind without sharing.
        first = stack.enter_context(_bind(host, port, share=False))
        if count == 1:
            yield [first]
            return
        port = first.getsockname()[1]
        first.close()
        yield [stack.enter_context(_bind(host, port, share=True)) for _ in range(count)]


def _bind(host: str, port: int, share: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With an explicit protocol, asyncio sets TCP_NODELAY; otherwise small responses wait for the client's ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except (OSError, OverflowError, ValueError) as error:  # ValueError: invalid host name
        listener.close()
        raise AddressError(
            f"cannot listen on {host} port {port}: {error}; choose another with --host and --port"
        ) from None
    return listener
