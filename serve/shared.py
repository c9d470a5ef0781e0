"""What the processes of one server know of each other, in memory that all of them see."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_double, c_int64, c_uint64
from dataclasses import dataclass, replace
from hashlib import blake2b
from multiprocessing.sharedctypes import RawArray
from secrets import token_bytes
from typing import Any

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names, before prometheus_client is imported, where all processes keep what they count."""


@dataclass(slots=True)
class SharedNumber:
    """A number with a part for each process, which only that process changes."""

    parts: Any
    """A ctypes array of whole numbers."""
    place: int = 0
    """Of this process's part."""

    @staticmethod
    def among(processes: int) -> "SharedNumber":
        """0, in parts for so many processes."""
        return SharedNumber(RawArray(c_int64, processes))

    @property
    def own(self) -> int:
        """This process's part."""
        return int(self.parts[self.place])

    @own.setter
    def own(self, number: int) -> None:
        self.parts[self.place] = number

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return sum(self.parts)


class SharedTimes:
    """A time for each of many names, 0 for one that was not heard of.

    A name has its place among a few, which its hash chooses; where all are taken, the earliest time is forgotten. No
    lock is held, which a process that dies would keep: where two change one time at once, one of them is lost.

    Arguments:
        names: that are remembered, about.
    """

    CHOICES = 8
    """Places that a name may have."""

    def __init__(self, names: int = 16_384) -> None:
        self._groups = max(names // self.CHOICES, 1)
        self._names = RawArray(c_uint64, self._groups * self.CHOICES)
        self._times = RawArray(c_double, self._groups * self.CHOICES)
        # Nobody outside can find names that share their places with somebody else's.
        self._secret = token_bytes(16)

    def __getitem__(self, name: str) -> float:
        place, _ = self._find(name)
        return 0.0 if place is None else float(self._times[place])

    def __setitem__(self, name: str, time: float) -> None:
        place, hashed = self._find(name)
        if place is None:
            place = min(self._places(hashed), key=self._times.__getitem__)
            self._names[place] = hashed
        self._times[place] = time

    def _places(self, hashed: int) -> range:
        first = hashed % self._groups * self.CHOICES
        return range(first, first + self.CHOICES)

    def _find(self, name: str) -> tuple[int | None, int]:
        hashed = int.from_bytes(blake2b(name.encode(), digest_size=8, key=self._secret).digest())
        return next((place for place in self._places(hashed) if self._names[place] == hashed), None), hashed


@dataclass(frozen=True, slots=True)
class Shared:
    """All of it, as one of the processes sees it; to be handed to a process as it is started."""

    pids: SharedNumber
    items: SharedNumber
    """Pictures in work."""
    bytes: SharedNumber
    """Of requests in work."""
    computing: SharedNumber
    """Batches that are being computed."""
    asked: SharedTimes
    """By which client; see `serve.http.auth.RateLimiter`."""

    @staticmethod
    def among(processes: int = 1) -> "Shared":
        """For so many processes, as the first of them sees it."""
        pids, items, bytes_, computing = (SharedNumber.among(processes) for _ in range(4))
        return Shared(pids, items, bytes_, computing, SharedTimes())

    @property
    def place(self) -> int:
        """Which of the processes sees it so, from 0."""
        return self.pids.place

    def at(self, place: int) -> "Shared":
        """The same, as another process sees it."""
        pids, items, bytes_, computing = (replace(number, place=place) for number in self._numbers)
        return Shared(pids, items, bytes_, computing, self.asked)

    def forget(self) -> None:
        """Take back what this process, which is no more, had added."""
        for number in self._numbers:
            number.own = 0

    @property
    def _numbers(self) -> tuple[SharedNumber, ...]:
        return self.pids, self.items, self.bytes, self.computing


class FairThreads:
    """A `ThreadShare`: who computes alone has all threads, of several each has its part, at least one.

    Arguments:
        computing: batches that are being computed, in all processes.
    """

    def __init__(self, computing: SharedNumber) -> None:
        self._computing = computing
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, threads: int) -> Iterator[int]:
        self._add(1)
        try:
            yield max(threads // self._computing.total, 1)
        finally:
            self._add(-1)

    def _add(self, batches: int) -> None:
        with self._lock:
            self._computing.own += batches
