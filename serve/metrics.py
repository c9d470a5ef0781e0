"""Prometheus metrics: requests, batches and models, and the resource usage of the processes and GPUs."""

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
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

REQUESTS = ("zoo_requests", "Completed requests, by route, status and model.", ("route", "code", "model"))
"""Name, help text and labels of the request counter."""

_LEAST = ("process_start_time_seconds", "process_max_fds")
"""Process metrics of which the minimum is reported, not the sum: the first start, and the lowest limit."""


class BatchReport(NamedTuple):
    """Timing of one batch."""

    queue: list[float]
    """Queue time of each request, in seconds."""
    compute: float
    """Compute time, in seconds."""
    batch: int
    """Number of images."""


class Metrics:
    """Metrics of one server, in their own registry, so that tests can run several servers.

    Arguments:
        shared: state shared with the other processes of the server.
    """

    def __init__(self, shared: Shared) -> None:
        self.registry = CollectorRegistry()
        """Registry of this process's metrics."""
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
            "zoo_rejections", "Requests that failed, by error code.", ["reason"], registry=self.registry
        )
        self.duration = Histogram(
            "zoo_request_seconds",
            "Time from the request headers to the end of the response, in seconds.",
            ["route", "model"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.decode = Histogram(
            "zoo_decode_seconds",
            "Time to decode and resize the images of a request, in seconds.",
            ["model"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.queue = Histogram(
            "zoo_queue_seconds",
            "Time that a request waits for its batch, in seconds.",
            ["model"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.compute = Histogram(
            "zoo_compute_seconds",
            "Time to compute a batch, in seconds.",
            ["model"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.search = Histogram(
            "zoo_search_seconds",
            "Time to search the index for the images of a request, in seconds.",
            ["model"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.batch = Histogram(
            "zoo_batch_images", "Images in a batch.", ["model"], registry=self.registry, buckets=_BATCHES
        )
        self.waiting = self._gauge("zoo_waiting_images", "Images waiting in the queue.", "model")
        self.connections = self._gauge("zoo_connections", "Open connections.")
        in_flight_items = self._gauge("zoo_in_flight_images", "Images in flight.")
        in_flight_bytes = self._gauge("zoo_in_flight_bytes", "Bytes of request bodies in flight.")
        self.watch(in_flight_items, lambda: shared.items.own)
        self.watch(in_flight_bytes, lambda: shared.bytes.own)
        self.loads = Counter("zoo_model_loads", "Number of model loads.", ["model"], registry=self.registry)
        self.unloads = Counter("zoo_model_unloads", "Number of model unloads.", ["model"], registry=self.registry)
        self.loaded = self._gauge(
            "zoo_model_loaded", "Processes that have the model loaded, by engine and precision.", "model", "execution"
        )
        self.load_seconds = Histogram(
            "zoo_model_load_seconds",
            "Time to load a model, in seconds.",
            ["model"],
            registry=self.registry,
            buckets=_SECONDS,
        )

    def request(self, route: str, status: int, model: str, seconds: float, reason: str) -> None:
        """Count a completed request.

        Arguments:
            route: path pattern of the matched route.
            status: HTTP status of the response.
            model: name of the model, or empty.
            seconds: duration of the request.
            reason: error code, or empty.
        """
        self.requests.labels(route, status, model).inc()
        self.duration.labels(route, model).observe(seconds)
        if reason:
            self.rejections.labels(reason).inc()

    def observer(self, model: str) -> Callable[[BatchReport], None]:
        """Callback that records the batches of a model."""
        queue, compute, batch = (metric.labels(model) for metric in (self.queue, self.compute, self.batch))

        def observe(report: BatchReport) -> None:
            for seconds in report.queue:
                queue.observe(seconds)
            compute.observe(report.compute)
            batch.observe(report.batch)

        return observe

    def model_loaded(self, model: str, execution: str, seconds: float) -> None:
        """Record that a model was loaded in `seconds`, with the engine and precision that compute it, or empty."""
        self.loads.labels(model).inc()
        self.loaded.labels(model, execution).set(1)
        self.load_seconds.labels(model).observe(seconds)

    def model_unloaded(self, model: str, execution: str) -> None:
        """Record that a model was unloaded."""
        self.unloads.labels(model).inc()
        self.loaded.labels(model, execution).set(0)

    def watch(self, gauge: Gauge, value: Callable[[], float]) -> None:
        """Make a gauge report the value of a function."""
        self._watched[gauge] = value

    def refresh(self) -> None:
        """Update the watched gauges; call about once a second, since any process may be asked for all metrics."""
        for gauge, value in list(self._watched.items()):
            gauge.set(value())

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        self.refresh()
        return generate_latest(self._exposed)

    def _gauge(self, name: str, explanation: str, *labels: str) -> Gauge:
        return Gauge(name, explanation, labels, registry=self.registry, multiprocess_mode="livesum")


class ProcessMetrics(Collector):
    """CPU time, memory and open files, as reported by prometheus_client, summed over all processes.

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
    """Merge metrics with one sample each into one."""
    samples = [metric.samples[0] for metric in metrics]
    values = [sample.value for sample in samples]
    value = min(values) if samples[0].name in _LEAST else sum(values)
    metrics[0].samples = [samples[0]._replace(value=value)]
    return metrics[0]


def _watch_gpu_memory(registry: CollectorRegistry) -> None:
    """Report the memory of every GPU as used by all programs, if NVIDIA's library and `pynvml` are installed."""
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
        used = GaugeMetricFamily("zoo_gpu_memory_used_bytes", "GPU memory in use by all programs.", labels=["gpu"])
        total = GaugeMetricFamily("zoo_gpu_memory_total_bytes", "Total GPU memory.", labels=["gpu"])
        try:
            for index in range(self._pynvml.nvmlDeviceGetCount()):
                memory = self._pynvml.nvmlDeviceGetMemoryInfo(self._pynvml.nvmlDeviceGetHandleByIndex(index))
                used.add_metric([str(index)], memory.used)
                total.add_metric([str(index)], memory.total)
        except self._pynvml.NVMLError:  # a failing GPU must not hide the other metrics
            pass
        return used, total
