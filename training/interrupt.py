"""Ctrl-C, SIGTERM and SIGHUP end a run between two steps, so that what is saved is whole."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from zoo.signals import handling, stop_signals

SAME_SECONDS = 1.0
"""A signal that comes again within this time is the same one: `torchrun` repeats what the terminal has sent already."""

STDERR = 2


class StopRequest:
    """Whether a signal has asked the run to stop; a second Ctrl-C stops at once.

    Arguments:
        announcement: what the standard error gets with the first signal; empty for nothing.
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
                # Not by print: the signal may have come in the middle of another one.
                os.write(STDERR, f"\n{self._announcement}\n".encode())
        elif now - self._received_at > SAME_SECONDS:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signal(announcement: str = "") -> Iterator[StopRequest]:
    """Turn signals into a request that the loop reads; the former handlers come back at the end."""
    request = StopRequest(announcement)
    with handling(stop_signals(), request.receive):
        yield request
