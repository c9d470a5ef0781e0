"""No test asserts a time that a machine took: those here are made up."""

import time
from collections.abc import Iterator

import pytest

from serve.tuning import stopwatch
from serve.tuning.stopwatch import Setting, Stopwatch, in_turn
from zoo.hub import open_model
from zoo.runtime import Runtime


class Clock:
    """A clock that only calls move; `threads` are the processor times at each look at them."""

    def __init__(self, threads: Iterator[float]) -> None:
        self.now, self.slept, self.threads = 0.0, 0, threads

    def sleep(self, seconds: float) -> None:
        self.slept += 1

    def takes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(iter(()))
    monkeypatch.setattr(time, "perf_counter", lambda: made.now)
    monkeypatch.setattr(time, "process_time", lambda: next(made.threads, 0.0))
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


def test_calls_are_timed_in_turn(clock: Clock) -> None:
    order: list[str] = []

    def call(name: str, seconds: float) -> None:
        order.append(name)
        clock.takes(seconds)

    slow, fast = in_turn([lambda: call("slow", 0.5), lambda: call("fast", 0.25)], seconds=0.5 * stopwatch.TURNS)
    assert (slow, fast) == (0.5, 0.25)
    warm_up = ["slow"] * stopwatch.WARM_UP + ["fast"] * stopwatch.WARM_UP
    assert order == warm_up + ["slow", "fast", "fast"] * stopwatch.TURNS


def test_each_is_called_in_each_turn(clock: Clock) -> None:
    calls = [0]

    def call() -> None:
        calls[0] += 1
        clock.takes(9)

    assert in_turn([call], seconds=0) == [9]
    assert calls[0] == stopwatch.WARM_UP + stopwatch.TURNS


def test_a_few_disturbed_turns_say_nothing(clock: Clock) -> None:
    durations = iter([1.0] * stopwatch.WARM_UP + [50.0] * (stopwatch.TURNS // 2) + [2.0] * stopwatch.TURNS)
    assert in_turn([lambda: clock.takes(next(durations))], seconds=0) == [2]


def test_a_turn_waits_until_the_threads_sleep(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "TURNS", 1)
    clock.threads = iter([0.0, 0.02, 0.04, 0.04])
    in_turn([lambda: clock.takes(1)], seconds=0)
    assert clock.slept == 3


def test_settings_of_a_model_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "TURNS", 1)
    watch = Stopwatch(open_model("wrn16-ours"), "cpu", threads=1, seconds=0)
    default, whole = Setting("fp32", Runtime()), Setting("fp32", Runtime(part=0))
    first, second = watch((default, whole), (1, 3))
    assert set(first) == set(second) == {1, 3}
    assert all(seconds > 0 for seconds in (*first.values(), *second.values()))
    [again] = watch((default,), (2,))
    assert set(again) == {2}
