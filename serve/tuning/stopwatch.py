"""Measured times of a model's settings; settings alternate, so that other load on the machine slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from zoo.package import Package
from zoo.predictors.file_predictor import FilePredictor
from zoo.predictors.open_execution import open_execution
from zoo.runtime import Device, Execution, Runtime

TURNS = 7
WARM_UP = 2
"""Calls before the first turn: ONNX Runtime plans its memory in the first, and allocates it as a whole in the next."""

QUIET_SECONDS = 0.02
"""Time that this process must be idle before a measurement starts."""
MAX_QUIET_WAIT = 1.0
"""Maximum time to wait for that, in seconds."""

Seconds = Mapping[int, float]
"""Time to compute a batch, by batch size."""


class Setting(NamedTuple):
    """How a model is computed: engine and precision, and the runtime options."""

    execution: Execution
    runtime: Runtime


class Stopwatch:
    """Measures settings of one model.

    Arguments:
        package: model directory.
        device, threads: as for `OnnxPredictor`.
        seconds: measuring time of each setting at each batch size, over all turns; a turn is at least one call.
    """

    def __init__(self, package: Package, device: Device, threads: int, seconds: float) -> None:
        self._package = package
        self._device: Device = device
        self._threads = threads
        self._seconds = seconds
        self._open: dict[Setting, FilePredictor] = {}

    def __call__(self, settings: Sequence[Setting], batches: Sequence[int]) -> list[Seconds]:
        """Median times of the settings, for batches of random images of these sizes."""
        # Keep the sessions that are measured again, such as the best one so far; close the others.
        self._open = {setting: self._open.get(setting) or self._predictor(setting) for setting in settings}
        size, random = self._package.config.input_size, np.random.default_rng(0)
        measured: list[dict[int, float]] = [{} for _ in settings]
        for batch in batches:
            pixels = random.integers(0, 256, (batch, 3, size, size), dtype=np.uint8)
            calls = [partial(self._open[setting], pixels) for setting in settings]
            for own, seconds in zip(measured, in_turn(calls, self._seconds), strict=True):
                own[batch] = seconds
        return list(measured)

    def _predictor(self, setting: Setting) -> FilePredictor:
        execution, runtime = setting
        return open_execution(self._package, execution, self._device, self._threads, runtime)


def in_turn(calls: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    """Median time of each call: the median over all turns of the median within a turn; `seconds` as for `Stopwatch`."""
    for call in calls:
        for _ in range(WARM_UP):
            call()
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(TURNS):
        for call, own in zip(calls, times, strict=True):
            wait_for_quiet()
            own.append(_one_turn(call, seconds / TURNS))
    return [statistics.median(own) for own in times]


def _one_turn(call: Callable[[], object], seconds: float) -> float:
    times: list[float] = []
    started = now = time.perf_counter()
    while not times or now - started < seconds:
        before = now
        call()
        now = time.perf_counter()
        times.append(now - before)
    return statistics.median(times)


def wait_for_quiet() -> None:
    """Wait until the threads of the previous measurement are idle: libraries let them spin for about 40 ms."""
    until = time.monotonic() + MAX_QUIET_WAIT
    used = time.process_time()
    while time.monotonic() < until:
        time.sleep(QUIET_SECONDS)
        before, used = used, time.process_time()
        if used - before <= QUIET_SECONDS / 10:
            return
