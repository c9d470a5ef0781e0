"""Timing of calls in interleaved turns, so that other load on the machine slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from serve.tuning.stopwatch import wait_for_quiet

WARMUP = 3
"""Warm-up calls of each."""
SHORT = 0.05
"""Seconds; a shorter call is made once without the clock right before, which wakes its threads and fills the caches."""

TRIALS = 5
"""Calls of each of several alternatives, of which the shortest counts."""

Times = dict[str, list[float]]
"""Seconds per call by name, one for each turn."""


def seconds(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> Times:
    """Time one call of each in every turn; each turn starts with another one."""
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
    """Name of the alternative that was fastest in a few calls."""
    times = {}
    for name, call in ways.items():
        call()
        wait_for_quiet()
        times[name] = min(seconds(call) for _ in range(TRIALS))
    return min(times, key=times.__getitem__)


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Median, minimum and maximum of the ratios per turn."""
    of_turns = [one / other for one, other in zip(numerator, denominator, strict=True)]
    return [round(value, 4) for value in (statistics.median(of_turns), min(of_turns), max(of_turns))]
