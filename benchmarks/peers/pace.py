"""When the requests of a load are due."""

import random
from collections.abc import Iterator
from typing import Protocol


def arrivals(rate: float, start: float, stop: float, seed: int) -> Iterator[float]:
    """Random times from `start` to before `stop`, `rate` a second on average, as independent senders make them."""
    source = random.Random(seed)
    now = start + source.expovariate(rate)
    while now < stop:
        yield now
        now += source.expovariate(rate)


class Pace(Protocol):
    """When requests are due."""

    next: float
    """The time to look again, if there was nothing to take."""

    def take(self, now: float) -> float | None:
        """When the request that is to be sent now was due; None if there is none."""


class Closed:
    """A request is due whenever a connection is free."""

    next = float("inf")

    def __init__(self, stop: float) -> None:
        self._stop = stop

    def take(self, now: float) -> float | None:
        return now if now < self._stop else None


class Open:
    """Requests are due at given times, ascending."""

    def __init__(self, times: Iterator[float]) -> None:
        self._times = times
        self.next = next(times, float("inf"))

    def take(self, now: float) -> float | None:
        due = self.next
        if due > now:
            return None
        self.next = next(self._times, float("inf"))
        return due
