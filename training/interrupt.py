"""Ctrl-C and SIGTERM end a run between two steps, so that what is saved is whole."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SAME_SECONDS = 1.0
"""A signal that comes again within this time is the same one: `torchrun` repeats what the terminal has sent already."""


class StopRequest:
    """Whether a signal has asked the run to stop; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self._received_at: float | None = None

    @property
    def received(self) -> bool:
        return self._received_at is not None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._received_at is None:
            self._received_at = now
        elif now - self._received_at > SAME_SECONDS:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request that the loop reads; the former handlers come back at the end."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # Python lets only the main thread set handlers
        return
    former = {number: signal.signal(number, request._receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
