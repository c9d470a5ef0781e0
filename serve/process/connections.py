"""Connections that wait for a request: how long, and how many."""

from collections.abc import Collection
from typing import Any, NamedTuple


class _Wait(NamedTuple):
    request: Any
    """The last one, or None; another one means that the wait ended in between."""
    since: float


class Connections:
    """Closes connections that wait too long for the head of a request, or read their answer too slowly.

    uvicorn closes those that are silent after an answer, but neither new ones nor those that send a head, or what is
    left of a refused body, byte by byte.

    Arguments:
        header_seconds: for a head to arrive.
        keep_alive_seconds: after an answer, before the next head begins.
        limit: of connections; of more, those that have waited longest are closed at once.
    """

    def __init__(self, header_seconds: float, keep_alive_seconds: float, limit: int) -> None:
        self._header_seconds = header_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._limit = limit
        self._waits: dict[Any, _Wait] = {}

    def sweep(self, connections: Collection[Any], now: float) -> None:
        """Close what is to be closed; to be called about every second.

        Arguments:
            connections: uvicorn's protocols, in `Server.server_state`.
            now: in seconds.
        """
        waits: dict[Any, _Wait] = {}
        for connection in connections:
            request = connection.cycle
            if request is None or request.response_complete:
                before = self._waits.get(connection)
                waits[connection] = before if before and before.request is request else _Wait(request, now)
        self._waits = waits
        excess = len(connections) - self._limit
        for connection, wait in sorted(waits.items(), key=lambda item: item[1].since):
            allowed = self._header_seconds + (self._keep_alive_seconds if wait.request else 0)
            if excess > 0 or now - wait.since > allowed:
                excess -= 1
                _close(connection.transport)


def _close(transport: Any) -> None:
    if transport.is_closing():
        transport.abort()  # it still waits for its client to read the rest of the answer
    else:
        transport.close()
