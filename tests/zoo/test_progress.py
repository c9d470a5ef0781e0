import io

import pytest
from rich.console import Console

from zoo.progress import ProgressBar, duration, rate


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "1 second"),
        (40.4, "40 seconds"),
        (60, "1 minute"),
        (15 * 60 + 20, "15 minutes"),
        (3600, "60 minutes"),
        (2 * 3600, "2 hours"),
        (12_700, "3.5 hours"),
        (40 * 3600, "1.7 days"),
        (9e6, "104.2 days"),
    ],
)
def test_durations_in_words(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only the test changes."""
    now = [0.0]
    monkeypatch.setattr("zoo.progress.time.monotonic", lambda: now[0])
    return now


def printed(clock: list[float], times: list[float], terminal: bool = False) -> list[str]:
    """Lines of a task of 1000 steps that are done at these times, before it ends."""
    file = io.StringIO()
    bar = ProgressBar(Console(file=file, force_terminal=terminal, width=40))
    task = bar.add_task("training", total=1000, status="")
    for step, now in enumerate(times):
        clock[0] = now
        bar.update(task, completed=step, status="loss 2.5", left=100.0 - now)
    return file.getvalue().splitlines()


def test_a_file_gets_a_line_a_minute(clock: list[float]) -> None:
    lines = printed(clock, [2.0 * step for step in range(45)])
    assert lines == ["training: 30 of 1,000 (3%), about 40 seconds left, loss 2.5"]


def test_a_long_task_gets_a_line_for_each_percent(clock: list[float]) -> None:
    lines = printed(clock, [600.0 * step for step in range(35)])
    assert [line.partition(" of")[0] for line in lines] == ["training: 10", "training: 20", "training: 30"]


def test_a_terminal_gets_none(clock: list[float]) -> None:
    assert printed(clock, [100.0 * step for step in range(50)], terminal=True) == []


@pytest.mark.parametrize(("speed", "expected"), [(0.21, "0.21"), (4.44, "4.4"), (9.7, "10"), (533.4, "533")])
def test_a_slow_speed_is_not_shown_as_0(speed: float, expected: str) -> None:
    assert rate(speed) == expected
