"""What the server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from serve.batcher import BatchReport
from serve.gpu_memory import watch_gpu_memory

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of one server; a registry of its own, so that tests can run several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        watch_gpu_memory(self.registry)
        self.requests = Counter(
            "zoo_requests", "Answers, by route, status and model.", ["route", "code", "model"], registry=self.registry
        )
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
            "zoo_batch_pictures", "Pictures computed together.", ["model"], registry=self.registry, buckets=_BATCHES
        )
        self.waiting = Gauge("zoo_waiting_pictures", "Pictures in the queue.", ["model"], registry=self.registry)
        self.connections = Gauge("zoo_connections", "Open connections.", registry=self.registry)
        self.in_work_items = Gauge("zoo_in_work_pictures", "Pictures in work.", registry=self.registry)
        self.in_work_bytes = Gauge("zoo_in_work_bytes", "Bytes of requests in work.", registry=self.registry)
        self.loads = Counter("zoo_model_loads", "Times that a model was loaded.", ["model"], registry=self.registry)
        self.unloads = Counter("zoo_model_unloads", "Times that it was unloaded.", ["model"], registry=self.registry)
        self.loaded = Gauge("zoo_model_loaded", "Whether a model is loaded.", ["model"], registry=self.registry)
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
        """What counts a model's batches."""
        queue, compute, batch = (metric.labels(model) for metric in (self.queue, self.compute, self.batch))

        def observe(report: BatchReport) -> None:
            for seconds in report.queue:
                queue.observe(seconds)
            compute.observe(report.compute)
            batch.observe(report.batch)

        return observe

    def model_loaded(self, model: str, seconds: float) -> None:
        """Count a model that was loaded in so many seconds."""
        self.loads.labels(model).inc()
        self.loaded.labels(model).set(1)
        self.load_seconds.labels(model).observe(seconds)

    def model_unloaded(self, model: str) -> None:
        """Count a model that was unloaded."""
        self.unloads.labels(model).inc()
        self.loaded.labels(model).set(0)

    def watch_work(self, items: Callable[[], int], bytes_: Callable[[], int]) -> None:
        """Report what is in work at the time when it is asked for."""
        self.in_work_items.set_function(items)
        self.in_work_bytes.set_function(bytes_)

    def watch_queue(self, model: str, depth: Callable[[], int]) -> None:
        """Report a queue's depth at the time when it is asked for."""
        self.waiting.labels(model).set_function(depth)
