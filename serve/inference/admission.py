"""Admission control: limits on the images and bytes in flight, so that excess requests are refused early."""

from types import TracebackType

from serve.errors import QueueFullError
from serve.shared import Shared


class Admission:
    """Counts the images and bytes in flight, from request body to response; used on the event loop only.

    Arguments:
        max_items: maximum images in flight, in all processes.
        max_bytes: maximum bytes of their request bodies.
        shared: counters shared by all processes.
    """

    def __init__(self, max_items: int, max_bytes: int, shared: Shared) -> None:
        self.items = shared.items
        self.bytes = shared.bytes
        self._max_items = max_items
        self._max_bytes = max_bytes

    def enter(self) -> "Reservation":
        """Reservation for a request, a context manager that releases it at the end.

        Raises:
            QueueFullError: no room for another image; raised before the body is read.
        """
        self.check(1, 0)
        return Reservation(self)

    def check(self, items: int, bytes_: int) -> None:
        """Raise `QueueFullError` if this many more images or bytes would exceed a limit."""
        if (in_flight := self.items.total) + items > self._max_items:
            raise _full(f"{in_flight} images in flight, {items} more requested (limit {self._max_items})")
        if (in_flight := self.bytes.total) + bytes_ > self._max_bytes:
            raise _full(f"{in_flight} bytes in flight, {bytes_} more requested (limit {self._max_bytes})")


class Reservation:
    """Images and bytes held by one request; grows as the body arrives, whatever Content-Length announces."""

    __slots__ = ("_admission", "bytes", "items")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.items = 0
        self.bytes = 0

    def add(self, items: int = 0, bytes_: int = 0) -> None:
        """Add images and bytes to the reservation.

        Raises:
            QueueFullError: a limit would be exceeded; nothing is added.
        """
        self._admission.check(items, bytes_)
        self._change(items, bytes_)

    def _change(self, items: int, bytes_: int) -> None:
        self.items += items
        self.bytes += bytes_
        self._admission.items.own += items
        self._admission.bytes.own += bytes_

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._change(-self.items, -self.bytes)


def _full(load: str) -> QueueFullError:
    return QueueFullError(f"server busy: {load}; retry in {QueueFullError.headers['Retry-After']} s")
