"""The sockets of a server: one for each of its processes, at one address."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from zoo.errors import ZooError

CAN_SHARE_ADDRESS = hasattr(socket, "SO_REUSEPORT")
"""Whether several sockets may share one address, among which the system balances the connections."""


class AddressError(ZooError):
    """The server cannot listen at the address of its settings."""


@contextmanager
def listening(host: str, port: int, count: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to one address, which do not listen yet.

    Arguments:
        host, port: the address; port 0 for any that is free.
        count: sockets; above 1 only where `CAN_SHARE_ADDRESS`.

    Raises:
        AddressError: somebody else has it, or it is not this machine's.
    """
    with ExitStack() as stack:
        # Among those that share an address, nobody would notice one more server: hence the first one does not.
        first = stack.enter_context(_bind(host, port, share=False))
        if count == 1:
            yield [first]
            return
        port = first.getsockname()[1]
        first.close()
        yield [stack.enter_context(_bind(host, port, share=True)) for _ in range(count)]


def _bind(host: str, port: int, share: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small answers at once; else they wait for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except (OSError, OverflowError, ValueError) as error:  # ValueError: what is no host's name
        listener.close()
        raise AddressError(
            f"cannot listen on {host} port {port}: {error}; choose another with --host and --port"
        ) from None
    return listener
