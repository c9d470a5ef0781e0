"""Timing of calls in interleaved turns, so that other load on the machine slows all of them."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from serve.tuning.stopwatch import wait_for_quiet

WARMUP = 3
"""Warm-up calls of each."""
SHORT = 0.05
"""Seconds; shorter calls are repeated for this long, after one without the clock, which wakes threads."""
TRIALS = 7
"""Measurements of each of several alternatives, of which the median counts."""

Times = dict[str, list[float]]
"""Seconds per call by name, one for each turn."""


def seconds(call: Callable[[], object], count: int = 1) -> float:
    """Mean seconds of calls in a row."""
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) / count


def steady_seconds(call: Callable[[], object], usual: float) -> float:
    """Seconds per call; short ones are repeated.

    Arguments:
        call: the function.
        usual: about how long a call takes.
    """
    wait_for_quiet()
    if usual >= SHORT:
        return seconds(call)
    call()
    return seconds(call, math.ceil(SHORT / usual))


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> Times:
    """Time each in every turn; each turn starts with another one."""
    names = list(calls)
    usual = {name: statistics.median(seconds(call) for _ in range(WARMUP)) for name, call in calls.items()}
    times: Times = {name: [] for name in names}
    for turn in range(repeats):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(round(steady_seconds(calls[name], usual[name]), 7))
    return times


def fastest(ways: Mapping[str, Callable[[], object]]) -> str:
    """Name of the fastest alternative."""
    times = in_turn(ways, TRIALS)
    return min(times, key=lambda name: statistics.median(times[name]))


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Median, minimum and maximum of the ratios per turn."""
    of_turns = [one / other for one, other in zip(numerator, denominator, strict=True)]
    return [round(value, 4) for value in (statistics.median(of_turns), min(of_turns), max(of_turns))]
