"""A bound on what is in work, in pictures and in bytes, so that overload is refused before it costs anything."""

from types import TracebackType

from serve.errors import QueueFullError
from serve.shared import Shared


class Admission:
    """Counts what is in work, from a request's body to its answer; used on the event loop only.

    Arguments:
        max_items: pictures in work, in all processes.
        max_bytes: of their requests' bodies.
        shared: what is in work.
    """

    def __init__(self, max_items: int, max_bytes: int, shared: Shared) -> None:
        self.items = shared.items
        self.bytes = shared.bytes
        self._max_items = max_items
        self._max_bytes = max_bytes

    def enter(self) -> "Place":
        """A place for a request, to be entered by `with`, which gives back what it held in the end.

        Raises:
            QueueFullError: there is no room for another picture; known before the body is read.
        """
        self.check(1, 0)
        return Place(self)

    def check(self, items: int, bytes_: int) -> None:
        """Raise `QueueFullError` if there is no room for so much more."""
        if (in_work := self.items.total) + items > self._max_items:
            raise QueueFullError(
                f"{in_work} pictures are in work and {items} more are above the limit of {self._max_items}; "
                "try again in a second"
            )
        if (in_work := self.bytes.total) + bytes_ > self._max_bytes:
            raise QueueFullError(
                f"{in_work} bytes are in work and {bytes_} more are above the limit of {self._max_bytes}; "
                "try again in a second"
            )


class Place:
    """What one request holds. It grows as its body arrives: who announces much and sends little takes little."""

    __slots__ = ("_admission", "bytes", "items")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.items = 0
        self.bytes = 0

    def add(self, items: int = 0, bytes_: int = 0) -> None:
        """Hold more.

        Raises:
            QueueFullError: there is no room; nothing is added.
        """
        self._admission.check(items, bytes_)
        self._change(items, bytes_)

    def _change(self, items: int, bytes_: int) -> None:
        self.items += items
        self.bytes += bytes_
        self._admission.items.own += items
        self._admission.bytes.own += bytes_

    def __enter__(self) -> "Place":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._change(-self.items, -self.bytes)
