"""Requests batched together: one thread asks the predictor for whoever waits."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from serve.errors import DeadlineError, ShuttingDownError
from zoo.predictor import Prediction, Predictor, predict_in_parts
from zoo.preprocess import Pixels

_log = logging.getLogger(__name__)


class Timing(NamedTuple):
    """What an answer took, in seconds, and how many pictures were computed with it."""

    queue: float
    compute: float
    batch: int


class BatchReport(NamedTuple):
    """What one batch took, in seconds."""

    queue: list[float]
    """Of each request."""
    compute: float
    batch: int


class Answer(NamedTuple):
    """A prediction for one request."""

    prediction: Prediction
    timing: Timing


@dataclass(frozen=True, slots=True)
class _Job:
    pixels: Pixels
    deadline: float
    arrived: float = field(default_factory=time.monotonic)
    future: "Future[Answer]" = field(default_factory=Future)


class Batcher:
    """Collects pictures of several requests and computes them at once.

    A batch starts when `max_batch` pictures wait, or the first has waited `max_wait` seconds.

    Arguments:
        predictor: called by this batcher's thread only.
        max_batch: pictures computed together; a larger request is computed in parts.
        max_wait: seconds.
        observe: called by the batcher's thread after each batch.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        max_batch: int,
        max_wait: float,
        observe: Callable[[BatchReport], None] = lambda report: None,
    ) -> None:
        self.predictor = predictor
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"batcher {predictor.config.name}", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Pictures that wait."""
        with self._changed:
            return self._waiting()

    @property
    def alive(self) -> bool:
        """Whether work is taken and done."""
        return self._thread.is_alive() and not self._closed

    def submit(self, pixels: Pixels, deadline: float) -> "Future[Answer]":
        """Queue pictures [N, 3, S, S]; a cancelled future is not computed.

        Arguments:
            pixels: of one request.
            deadline: on the clock of `time.monotonic`; the future fails with `DeadlineError` if it passes in the queue.

        Raises:
            ShuttingDownError: the batcher was closed.
        """
        job = _Job(pixels, deadline)
        with self._changed:
            if self._closed:
                raise ShuttingDownError("the server is shutting down; ask another one")
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def close(self, timeout: float) -> bool:
        """Take no more work, finish what waits, and end the thread; whether it ended within `timeout` seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _waiting(self) -> int:
        return sum(len(job.pixels) for job in self._jobs)

    def _work(self) -> None:
        while jobs := self._collect():
            now = time.monotonic()
            for job in jobs:
                if job.deadline < now and job.future.set_running_or_notify_cancel():
                    waited = 1000 * (now - job.arrived)
                    job.future.set_exception(DeadlineError(f"the deadline passed after {waited:.0f} ms in the queue"))
            live = [job for job in jobs if not job.future.done() and job.future.set_running_or_notify_cancel()]
            if live:
                self._compute(live)

    def _collect(self) -> list[_Job]:
        """The jobs of the next batch; none when the batcher is closed and the queue is empty."""
        with self._changed:
            while not self._jobs and not self._closed:
                self._changed.wait()
            if not self._jobs:
                return []
            start = self._jobs[0].arrived + self._max_wait
            while self._waiting() < self._max_batch and not self._closed and (left := start - time.monotonic()) > 0:
                self._changed.wait(left)
            batch = [self._jobs.popleft()]
            count = len(batch[0].pixels)
            while self._jobs and count + len(self._jobs[0].pixels) <= self._max_batch:
                batch.append(self._jobs.popleft())
                count += len(batch[-1].pixels)
            return batch

    def _compute(self, jobs: list[_Job]) -> None:
        started = time.monotonic()
        try:
            pixels = np.concatenate([job.pixels for job in jobs])
            prediction = predict_in_parts(self.predictor, pixels, self._max_batch)
        except Exception as error:  # whatever it is, the requests must learn of it and the thread go on
            for job in jobs:
                job.future.set_exception(error)
            return
        compute = time.monotonic() - started
        batch = len(prediction.logits)
        start = 0
        for job in jobs:
            stop = start + len(job.pixels)
            timing = Timing(started - job.arrived, compute, batch)
            job.future.set_result(Answer(prediction.rows(start, stop), timing))
            start = stop
        try:
            self._observe(BatchReport([started - job.arrived for job in jobs], compute, batch))
        except Exception:  # the requests have their answers; without this thread the next ones would get none
            _log.exception("a batch could not be reported")
