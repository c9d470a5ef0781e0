import signal
import threading

import pytest

from training import interrupt
from training.interrupt import stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_becomes_a_request(number: signal.Signals) -> None:
    with stop_on_signal() as stop:
        assert not stop.received
        signal.raise_signal(number)
        assert stop.received


def test_a_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "SAME_SECONDS", 0.0)
    with stop_on_signal():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_that_comes_twice_within_a_moment_is_one() -> None:
    with stop_on_signal() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.received


def test_it_is_said_at_once_and_once(capfd: pytest.CaptureFixture[str]) -> None:
    with stop_on_signal("saving after this step"):
        signal.raise_signal(signal.SIGINT)
        assert capfd.readouterr().err == "\nsaving after this step\n"
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == ""


def test_the_former_handlers_come_back() -> None:
    former = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError, match="in between"), stop_on_signal():
        raise RuntimeError("in between")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == former


def test_outside_the_main_thread_handlers_stay() -> None:
    former, received = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with stop_on_signal() as stop:
            received.append((stop.received, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert received == [(False, former)]
