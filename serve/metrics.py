"""Prometheus metrics of the server: what it counts, and what its processes and the GPUs use."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from serve.shared import METRICS_FOLDER, Shared, SharedNumber

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)

REQUESTS = ("zoo_requests", "Answers, by route, status and model.", ("route", "code", "model"))
"""Name, explanation and labels of the counter of answers."""

_LEAST = ("process_start_time_seconds", "process_max_fds")
"""Not added up: the first start, and the limit that is reached first."""


class BatchReport(NamedTuple):
    """What one batch took, in seconds."""

    queue: list[float]
    """Queue time of each request."""
    compute: float
    batch: int


class Metrics:
    """Counters and histograms of one server; a registry of its own, so that tests can run several.

    Arguments:
        shared: with the other processes of the server.
    """

    def __init__(self, shared: Shared) -> None:
        self.registry = CollectorRegistry()
        """Registry of what this process counts."""
        self._exposed = self.registry
        if METRICS_FOLDER in os.environ:
            self._exposed = CollectorRegistry()
            MultiProcessCollector(self._exposed)  # type: ignore[no-untyped-call]
        shared.pids.own = os.getpid()
        self._exposed.register(ProcessMetrics(shared.pids))
        _watch_gpu_memory(self._exposed)
        self._watched: dict[Gauge, Callable[[], float]] = {}
        self.requests = Counter(*REQUESTS, registry=self.registry)
        self.rejections = Counter(
            "zoo_rejections", "Answers that are errors, by the error's code.", ["reason"], registry=self.registry
        )
        self.duration = Histogram(
            "zoo_request_seconds",
            "From a request's head to the end of its answer.",
            ["route", "model"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.decode = Histogram(
            "zoo_decode_seconds",
            "Decoding and scaling of a request.",
            ["model"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.queue = Histogram(
            "zoo_queue_seconds", "Waiting for a batch.", ["model"], registry=self.registry, buckets=_SECONDS
        )
        self.compute = Histogram(
            "zoo_compute_seconds", "Computing a batch.", ["model"], registry=self.registry, buckets=_SECONDS
        )
        self.batch = Histogram(
            "zoo_batch_images", "Images computed together.", ["model"], registry=self.registry, buckets=_BATCHES
        )
        self.waiting = self._gauge("zoo_waiting_images", "Images in the queue.", "model")
        self.connections = self._gauge("zoo_connections", "Open connections.")
        in_flight_items = self._gauge("zoo_in_flight_images", "Images in flight.")
        in_flight_bytes = self._gauge("zoo_in_flight_bytes", "Bytes of requests in flight.")
        self.watch(in_flight_items, lambda: shared.items.own)
        self.watch(in_flight_bytes, lambda: shared.bytes.own)
        self.loads = Counter("zoo_model_loads", "Times that a model was loaded.", ["model"], registry=self.registry)
        self.unloads = Counter("zoo_model_unloads", "Times that it was unloaded.", ["model"], registry=self.registry)
        self.loaded = self._gauge("zoo_model_loaded", "Processes that have a model loaded.", "model")
        self.load_seconds = Histogram(
            "zoo_model_load_seconds", "Loading a model.", ["model"], registry=self.registry, buckets=_SECONDS
        )

    def request(self, route: str, status: int, model: str, seconds: float, reason: str) -> None:
        """Count an answer.

        Arguments:
            route: its pattern.
            status: of HTTP.
            model: that answered, or empty.
            seconds: that it took.
            reason: the code of an error, or empty.
        """
        self.requests.labels(route, status, model).inc()
        self.duration.labels(route, model).observe(seconds)
        if reason:
            self.rejections.labels(reason).inc()

    def observer(self, model: str) -> Callable[[BatchReport], None]:
        """A function that counts a model's batches."""
        queue, compute, batch = (metric.labels(model) for metric in (self.queue, self.compute, self.batch))

        def observe(report: BatchReport) -> None:
            for seconds in report.queue:
                queue.observe(seconds)
            compute.observe(report.compute)
            batch.observe(report.batch)

        return observe

    def model_loaded(self, model: str, seconds: float) -> None:
        """Count a load of a model that took `seconds`."""
        self.loads.labels(model).inc()
        self.loaded.labels(model).set(1)
        self.load_seconds.labels(model).observe(seconds)

    def model_unloaded(self, model: str) -> None:
        """Count a model that was unloaded."""
        self.unloads.labels(model).inc()
        self.loaded.labels(model).set(0)

    def watch(self, gauge: Gauge, value: Callable[[], float]) -> None:
        """Have a gauge show a function's value."""
        self._watched[gauge] = value

    def refresh(self) -> None:
        """Set the watched gauges; to be called about every second, as any process may be asked for all metrics."""
        for gauge, value in list(self._watched.items()):
            gauge.set(value())

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        self.refresh()
        return generate_latest(self._exposed)

    def _gauge(self, name: str, explanation: str, *labels: str) -> Gauge:
        return Gauge(name, explanation, labels, registry=self.registry, multiprocess_mode="livesum")


class ProcessMetrics(Collector):
    """CPU time, memory and open files of all processes together: what prometheus_client reports for one, summed.

    Arguments:
        pids: process ids, 0 for a process that is not running.
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


def _watch_gpu_memory(registry: CollectorRegistry) -> None:
    """Report the memory of every GPU, as used by all programs, where NVIDIA's library and `pynvml` are installed."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver here
        return
    registry.register(_GpuMemory(pynvml))


class _GpuMemory(Collector):
    def __init__(self, pynvml: Any) -> None:
        self._pynvml = pynvml

    def collect(self) -> Iterable[GaugeMetricFamily]:
        used = GaugeMetricFamily("zoo_gpu_memory_used_bytes", "Used by all programs.", labels=["gpu"])
        total = GaugeMetricFamily("zoo_gpu_memory_total_bytes", "Of the GPU.", labels=["gpu"])
        try:
            for index in range(self._pynvml.nvmlDeviceGetCount()):
                memory = self._pynvml.nvmlDeviceGetMemoryInfo(self._pynvml.nvmlDeviceGetHandleByIndex(index))
                used.add_metric([str(index)], memory.used)
                total.add_metric([str(index)], memory.total)
        except self._pynvml.NVMLError:  # a GPU that fails must not hide the other numbers
            pass
        return used, total
