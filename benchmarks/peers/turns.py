"""Calls timed in turn, so that whatever else the machine does slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from serve.tuning.stopwatch import wait_for_quiet

WARMUP = 3
"""Calls of each before the timed ones."""
SHORT = 0.05
"""Seconds; a shorter call is made once without the clock right before, which wakes its threads and fills the caches."""

TRIALS = 5
"""Calls of each of several ways to compute the same; the shortest decides, so that one disturbance does not."""

Times = dict[str, list[float]]
"""Seconds of every call, by what was called; one a turn."""


def seconds(call: Callable[[], object]) -> float:
    """Time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> Times:
    """Time one call of each in every turn; each turn begins with another one."""
    names = list(calls)
    usual = {name: statistics.median(seconds(call) for _ in range(WARMUP)) for name, call in calls.items()}
    times: Times = {name: [] for name in names}
    for turn in range(repeats):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            wait_for_quiet()
            if usual[name] < SHORT:
                calls[name]()
            times[name].append(round(seconds(calls[name]), 7))
    return times


def fastest(ways: Mapping[str, Callable[[], object]]) -> str:
    """The name of the way that was the shortest in a few calls."""
    times = {}
    for name, call in ways.items():
        call()
        wait_for_quiet()
        times[name] = min(seconds(call) for _ in range(TRIALS))
    return min(times, key=times.__getitem__)


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Median, least and largest of the turns' own ratios."""
    of_turns = [one / other for one, other in zip(numerator, denominator, strict=True)]
    return [round(value, 4) for value in (statistics.median(of_turns), min(of_turns), max(of_turns))]
