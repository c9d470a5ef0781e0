"""State shared by the worker processes of a server, in memory that all of them map."""

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
"""Environment variable with the directory of all processes' metrics; read when prometheus_client is imported."""


@dataclass(slots=True)
class SharedNumber:
    """Sum of one integer per process, each of which only its process changes."""

    parts: Any
    """ctypes array of integers, one per process."""
    index: int = 0
    """Index of this process."""

    @staticmethod
    def create(processes: int) -> "SharedNumber":
        """Create a number for this many processes, all zero."""
        return SharedNumber(RawArray(c_int64, processes))

    @property
    def own(self) -> int:
        """Value of this process."""
        return int(self.parts[self.index])

    @own.setter
    def own(self, number: int) -> None:
        self.parts[self.index] = number

    @property
    def total(self) -> int:
        """Sum over all processes."""
        return sum(self.parts)

    @property
    def processes(self) -> int:
        """Number of processes whose integer is not 0."""
        return sum(part != 0 for part in self.parts)


class SharedTimes:
    """Fixed-size map from names to times, 0 for an unknown name.

    The hash of a name selects a few slots; if all are taken, the earliest time is evicted. There is no lock, which a
    dying process would never release: of two concurrent updates of one time, one is lost.

    Arguments:
        names: approximate capacity.
    """

    CHOICES = 8
    """Number of slots in which a name may be stored."""

    def __init__(self, names: int = 16_384) -> None:
        self._groups = max(names // self.CHOICES, 1)
        self._names = RawArray(c_uint64, self._groups * self.CHOICES)
        self._times = RawArray(c_double, self._groups * self.CHOICES)
        # Keyed hashing, so that clients cannot find names that collide with others.
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
    """All shared state as seen by one process; passed to each process when it starts."""

    pids: SharedNumber
    items: SharedNumber
    """Images in flight."""
    bytes: SharedNumber
    """Bytes of request bodies in flight."""
    computing: SharedNumber
    """Batches being computed."""
    buckets: SharedTimes
    """Times at which the clients' token buckets are full; see `serve.http.auth.RateLimiter`."""

    @staticmethod
    def create(processes: int = 1) -> "Shared":
        """Create the state of this many processes, as seen by the first of them."""
        pids, items, bytes_, computing = (SharedNumber.create(processes) for _ in range(4))
        return Shared(pids, items, bytes_, computing, SharedTimes())

    @property
    def index(self) -> int:
        """Index of this process, starting at 0."""
        return self.pids.index

    def at(self, index: int) -> "Shared":
        """The same state as seen by the process with this index."""
        pids, items, bytes_, computing = (replace(number, index=index) for number in self._numbers)
        return Shared(pids, items, bytes_, computing, self.buckets)

    def reset(self) -> None:
        """Set this process's values to zero, after it has ended."""
        for number in self._numbers:
            number.own = 0

    @property
    def _numbers(self) -> tuple[SharedNumber, ...]:
        return self.pids, self.items, self.bytes, self.computing


class FairThreads:
    """`ThreadShare` that divides the threads evenly among all batches being computed, at least one for each, but leaves
    a thread to each process with images in flight, which is busy even while it computes none.

    Arguments:
        computing: batches being computed, in all processes.
        items: images in flight, in all processes.
    """

    def __init__(self, computing: SharedNumber, items: SharedNumber) -> None:
        self._computing = computing
        self._items = items
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, threads: int) -> Iterator[int]:
        self._add(1)
        try:
            yield max(threads // max(self._computing.total, self._items.processes), 1)
        finally:
            self._add(-1)

    def _add(self, batches: int) -> None:
        with self._lock:
            self._computing.own += batches
