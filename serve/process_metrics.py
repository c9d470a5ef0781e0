"""What the processes of a server take from the system, for Prometheus: as prometheus_client tells it of one, summed."""

from collections.abc import Iterable
from functools import partial

from prometheus_client import Metric, ProcessCollector
from prometheus_client.registry import Collector

from serve.shared import SharedNumber

_LEAST = ("process_start_time_seconds", "process_max_fds")
"""Not added up: the first start, and the limit that is reached first."""


class ProcessMetrics(Collector):
    """CPU time, memory and open files of the processes together.

    Arguments:
        pids: their numbers, 0 for one that is not there.
    """

    def __init__(self, pids: SharedNumber) -> None:
        self._pids = pids

    def collect(self) -> Iterable[Metric]:
        found: dict[str, list[Metric]] = {}
        for pid in filter(None, self._pids.parts):
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                found.setdefault(metric.name, []).append(metric)
        return [_together(metrics) for metrics in found.values()]


def _together(metrics: list[Metric]) -> Metric:
    """One metric of several that have one sample each."""
    samples = [metric.samples[0] for metric in metrics]
    values = [sample.value for sample in samples]
    value = min(values) if samples[0].name in _LEAST else sum(values)
    metrics[0].samples = [samples[0]._replace(value=value)]
    return metrics[0]
