"""Stopping on Ctrl-C, SIGTERM and SIGHUP between two steps, so that the saved state is consistent."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from zoo.signals import handling, stop_signals

SAME_SECONDS = 1.0
"""A signal repeated within this time counts once, since `torchrun` forwards what the terminal has already sent."""

STDERR = 2


class StopRequest:
    """Whether a signal has requested a stop; a second Ctrl-C stops immediately.

    Arguments:
        announcement: message written to standard error on the first signal; empty for none.
    """

    def __init__(self, announcement: str = "") -> None:
        self._announcement = announcement
        self._received_at: float | None = None

    @property
    def received(self) -> bool:
        return self._received_at is not None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        now = time.monotonic()
        if self._received_at is None:
            self._received_at = now
            if self._announcement:
                # Not `print`, since the signal may interrupt another call of it.
                os.write(STDERR, f"\n{self._announcement}\n".encode())
        elif now - self._received_at > SAME_SECONDS:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signal(announcement: str = "") -> Iterator[StopRequest]:
    """Context manager that turns signals into a stop request; restores the previous handlers on exit."""
    request = StopRequest(announcement)
    with handling(stop_signals(), request.receive):
        yield request
