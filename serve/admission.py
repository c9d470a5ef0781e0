"""A bound on the pictures in work, so that overload is refused before it costs anything."""

from collections.abc import Iterator
from contextlib import contextmanager

from serve.errors import QueueFullError


class Admission:
    """Counts what is in work, from a request's first byte to its answer; used on the event loop only."""

    def __init__(self, limit: int) -> None:
        self.in_work = 0
        self._limit = limit

    @contextmanager
    def admit(self, count: int) -> Iterator[None]:
        """Hold `count` places while the body of the `with` statement runs.

        Raises:
            QueueFullError: not all of them are free.
        """
        if self.in_work + count > self._limit:
            raise QueueFullError(
                f"{self.in_work} pictures are in work and {count} more are above the limit of {self._limit}; "
                "try again in a second"
            )
        self.in_work += count
        try:
            yield
        finally:
            self.in_work -= count
