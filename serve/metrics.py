"""What the server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters and histograms of one server; a registry of its own, so that tests can run several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "zoo_requests", "Answers, by route and status.", ["route", "code"], registry=self.registry
        )
        self.duration = Histogram(
            "zoo_request_seconds", "From request to answer.", ["route"], registry=self.registry, buckets=_SECONDS
        )
        self.decode = Histogram(
            "zoo_decode_seconds", "Decoding and scaling of a request.", registry=self.registry, buckets=_SECONDS
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

    def watch_queue(self, model: str, depth: Callable[[], int]) -> None:
        """Report a queue's depth at the time when it is asked for."""
        self.waiting.labels(model).set_function(depth)
