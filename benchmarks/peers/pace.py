"""Schedules of the requests of a load."""

import random
from collections.abc import Iterator
from typing import Protocol


def arrivals(rate: float, start: float, stop: float, seed: int) -> Iterator[float]:
    """Random times in [start, stop), `rate` per second on average, as from independent senders."""
    source = random.Random(seed)
    now = start + source.expovariate(rate)
    while now < stop:
        yield now
        now += source.expovariate(rate)


class Pace(Protocol):
    """A schedule of requests."""

    next: float
    """Time of the next request, if none is due."""

    def take(self, now: float) -> float | None:
        """Due time of the request to send now; None if there is none."""


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
