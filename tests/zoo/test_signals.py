import signal
import subprocess
import sys

import pytest

from zoo.signals import handling, stop_signals


def test_what_asks_to_end() -> None:
    assert set(stop_signals()) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@pytest.mark.process
def test_under_nohup_a_closed_terminal_is_nothing() -> None:
    code = "import zoo.signals; print(*(sig.name for sig in zoo.signals.stop_signals()))"
    command = f"trap '' HUP; exec {sys.executable} -c '{code}'"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["SIGINT", "SIGTERM"]


def test_the_former_handlers_come_back() -> None:
    former = signal.getsignal(signal.SIGHUP)
    received: list[int] = []
    with handling(stop_signals(), lambda number, frame: received.append(number)):
        signal.raise_signal(signal.SIGHUP)
    assert received == [signal.SIGHUP]
    assert signal.getsignal(signal.SIGHUP) is former
