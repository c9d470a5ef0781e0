"""Time for a benchmark that must end on time: what does not fit any more is left out."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Budget:
    """Time left for measurements.

    Arguments:
        minutes: time from now on; None for no limit.
        clock: current time in seconds.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = float("inf") if minutes is None else clock() + 60 * minutes
        self._durations: list[float] = []

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._until < float("inf")

    @property
    def left(self) -> float:
        """Seconds left, below 0 if time is up."""
        return self._until - self._clock()

    def fits(self) -> bool:
        """Whether another measurement fits if it takes as long as the longest so far."""
        return self.left > max(self._durations, default=0.0)

    def share(self, parts: int) -> "Budget":
        """One of several equal parts of the time left, from now on."""
        part = Budget(self.left / 60 / parts if self.limited else None, self._clock)
        part._durations = self._durations
        return part

    @contextmanager
    def measurement(self) -> Iterator[None]:
        """Context of a measurement, whose time is taken."""
        started = self._clock()
        yield
        self._durations.append(self._clock() - started)


@contextmanager
def interrupted_after(seconds: float | None) -> Iterator[None]:
    """Context that is interrupted after a time, in the main thread; None for no limit.

    Raises:
        TimeoutError: the time is up.
    """
    if seconds is None:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not ready after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
