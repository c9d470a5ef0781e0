"""Signals that ask a process to stop."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


def stop_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM and, unless it is ignored as under `nohup`, SIGHUP, which is sent when the terminal closes."""
    stopping = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        stopping.append(hangup)
    return stopping


@contextmanager
def handling(signals: Iterable[signal.Signals], handler: Handler) -> Iterator[None]:
    """Context manager that installs a signal handler and restores the previous ones on exit.

    Does nothing outside the main thread, the only one in which Python allows handlers to be set.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)
