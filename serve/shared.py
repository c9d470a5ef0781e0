"""State shared by the processes of one server, in memory that all of them map."""

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
"""Environment variable with the directory of all processes' counts; read when prometheus_client is imported."""


@dataclass(slots=True)
class SharedNumber:
    """A number with a part for each process, which only that process changes."""

    parts: Any
    """A ctypes array of whole numbers."""
    index: int = 0
    """Index of this process's part."""

    @staticmethod
    def create(processes: int) -> "SharedNumber":
        """Zero, in parts for this many processes."""
        return SharedNumber(RawArray(c_int64, processes))

    @property
    def own(self) -> int:
        """This process's part."""
        return int(self.parts[self.index])

    @own.setter
    def own(self, number: int) -> None:
        self.parts[self.index] = number

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return sum(self.parts)


class SharedTimes:
    """A time for each of many names, 0 for an unknown one.

    A name may have one of a few slots, which its hash chooses; where all are taken, the earliest time is evicted. No
    lock is held, which a process that dies would keep: where two change one time at once, one of them is lost.

    Arguments:
        names: that are remembered, about.
    """

    CHOICES = 8
    """Slots that a name may have."""

    def __init__(self, names: int = 16_384) -> None:
        self._groups = max(names // self.CHOICES, 1)
        self._names = RawArray(c_uint64, self._groups * self.CHOICES)
        self._times = RawArray(c_double, self._groups * self.CHOICES)
        # Nobody outside can find names that share their slots with somebody else's.
        self._secret = token_bytes(16)

    def __getitem__(self, name: str) -> float:
        slot, _ = self._find(name)
        return 0.0 if slot is None else float(self._times[slot])

    def __setitem__(self, name: str, time: float) -> None:
        slot, hashed = self._find(name)
        if slot is None:
            slot = min(self._slots(hashed), key=self._times.__getitem__)
            self._names[slot] = hashed
        self._times[slot] = time

    def _slots(self, hashed: int) -> range:
        first = hashed % self._groups * self.CHOICES
        return range(first, first + self.CHOICES)

    def _find(self, name: str) -> tuple[int | None, int]:
        hashed = int.from_bytes(blake2b(name.encode(), digest_size=8, key=self._secret).digest())
        return next((slot for slot in self._slots(hashed) if self._names[slot] == hashed), None), hashed


@dataclass(frozen=True, slots=True)
class Shared:
    """All shared state, as one of the processes sees it; passed to each process at its start."""

    pids: SharedNumber
    items: SharedNumber
    """Images in flight."""
    bytes: SharedNumber
    """Bytes of requests in flight."""
    computing: SharedNumber
    """Batches that are being computed."""
    buckets: SharedTimes
    """Times at which clients' token buckets are full; see `serve.http.auth.RateLimiter`."""

    @staticmethod
    def create(processes: int = 1) -> "Shared":
        """State for this many processes, as the first of them sees it."""
        pids, items, bytes_, computing = (SharedNumber.create(processes) for _ in range(4))
        return Shared(pids, items, bytes_, computing, SharedTimes())

    @property
    def index(self) -> int:
        """Index of this process, from 0."""
        return self.pids.index

    def at(self, index: int) -> "Shared":
        """The same state, as the process with this index sees it."""
        pids, items, bytes_, computing = (replace(number, index=index) for number in self._numbers)
        return Shared(pids, items, bytes_, computing, self.buckets)

    def reset(self) -> None:
        """Remove what this process had added, after it ended."""
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
