"""Dynamic batching: a few threads run the predictor on the images of waiting requests."""

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from serve.errors import DeadlineError, ShuttingDownError
from serve.metrics import BatchReport
from zoo.images.preprocess import Pixels
from zoo.predictors import Prediction, Predictor, predict_in_parts

_log = logging.getLogger(__name__)

LOOP_SECONDS = 0.03
"""Time for which a batch may keep the event loop from its other work, in seconds."""


class BatchTiming(NamedTuple):
    """Timing of a prediction."""

    queue: float
    """Time in the queue, in seconds."""
    compute: float
    """Time to compute the batch, in seconds."""
    batch: int
    """Number of images in the batch."""


class Answer(NamedTuple):
    """Prediction for one request."""

    prediction: Prediction
    timing: BatchTiming


Promise = asyncio.Future[Answer]
"""Future of a request on an event loop; a batcher's threads only read whether it is done, and let the loop set it."""


Outcome = tuple[Promise, Answer | Exception]
"""Promise with its result or error."""

Resolve = Callable[[Sequence[Outcome]], None]
"""Sets the results or errors of promises."""


@dataclass(frozen=True, slots=True)
class _Job:
    pixels: Pixels
    deadline: float
    promise: Promise
    arrived: float = field(default_factory=time.monotonic)


class Batcher:
    """Collects the images of several requests into batches and computes them.

    A batch starts when `max_batch` images are waiting, when no further request is expected, or when the first one has
    waited for `max_wait` seconds. A single request thus starts at once, and concurrent ones are batched. Batches are
    computed by threads, or by the event loop; see `submit_on_loop`.

    Arguments:
        predictor: called by this batcher's threads, and by the event loop in `submit_on_loop`.
        max_batch: maximum images in a batch; a larger request is computed in parts.
        max_wait: maximum time that a batch waits for expected requests, in seconds.
        workers: number of batches computed concurrently.
        observe: called after each batch by the thread that computed it.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        max_batch: int,
        max_wait: float,
        workers: int = 1,
        observe: Callable[[BatchReport], None] = lambda report: None,
    ) -> None:
        self.predictor = predictor
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._expected = 0
        self._computing = 0
        self._image_seconds = math.inf
        """Time per image in the last batch."""
        self._flushing = False
        self._changed = threading.Condition()
        self._closed = False
        name = f"batcher {predictor.config.name}"
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """Number of images waiting in the queue."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether the batcher accepts and processes work."""
        return not self._closed and all(thread.is_alive() for thread in self._threads)

    def expect(self) -> None:
        """Announce a request: a batch may wait for it until it is submitted or given up."""
        with self._changed:
            self._expected += 1

    def give_up(self, promise: Promise, error: Exception | None) -> None:
        """Withdraw an expected request; its promise fails with the error, if there is one."""
        with self._changed:
            self._expect_one_less()
        if error:
            _keep([(promise, error)])

    def submit(self, pixels: Pixels, deadline: float, promise: Promise, expected: bool = False) -> None:
        """Queue the images of a request; thread-safe.

        Arguments:
            pixels: images, [N, 3, S, S].
            deadline: on the clock of `time.monotonic`.
            promise: receives the answer, `DeadlineError` if the deadline passes in the queue, or `ShuttingDownError`
                if the batcher is closed; if it is already done (cancelled), nothing is computed.
            expected: whether `expect` was called for this request.
        """
        with self._changed:
            if expected:
                self._expect_one_less()
            if not self._closed:
                self._jobs.append(_Job(pixels, deadline, promise))
                self._waiting += len(pixels)
                # Wake a worker only if it waits for a first job, or for its batch to fill.
                if len(self._jobs) == 1 or self._waiting >= self._max_batch:
                    self._changed.notify()
                return
        _keep([(promise, ShuttingDownError())])

    def submit_on_loop(self, pixels: Pixels, deadline: float, promise: Promise) -> None:
        """Queue the images of a request, as `submit` does, from the event loop, which then computes them itself with
        those of the other requests that are ready, unless a thread is computing or they take over `LOOP_SECONDS`.

        Where a process has one core, this saves waking a thread and waiting for it.
        """
        with self._changed:
            if not self._closed:
                self._jobs.append(_Job(pixels, deadline, promise))
                self._waiting += len(pixels)
                if not self._flushing:
                    self._flushing = True
                    promise.get_loop().call_soon(self._flush)
                return
        promise.set_exception(ShuttingDownError())

    def close(self, timeout: float) -> bool:
        """Accept no more work, finish the queue and stop the threads; returns whether they stopped within `timeout`
        seconds.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _expect_one_less(self) -> None:
        self._expected -= 1
        if not self._expected:
            self._changed.notify()

    def _flush(self) -> None:
        """Compute what waits, on the event loop, or leave it to the threads."""
        with self._changed:
            self._flushing = False
            seconds = min(self._waiting, self._max_batch) * self._image_seconds
            if self._computing or self._expected or seconds > LOOP_SECONDS:
                self._changed.notify()
                return
            if not self._jobs:
                return
            jobs = self._take()
        self._process(jobs, _set)

    def _work(self) -> None:
        while jobs := self._collect():
            self._process(jobs, _keep)

    def _collect(self) -> list[_Job]:
        """Jobs of the next batch; empty once the batcher is closed and the queue is empty."""
        with self._changed:
            while True:
                while self._computing >= len(self._threads) or not (self._jobs or self._closed):
                    self._changed.wait()
                if not self._jobs:
                    return []
                left = self._jobs[0].arrived + self._max_wait - time.monotonic()
                if self._waiting >= self._max_batch or self._closed or not self._expected or left <= 0:
                    break
                # Meanwhile another worker may take the jobs.
                self._changed.wait(left)
            return self._take()

    def _take(self) -> list[_Job]:
        """Jobs that fit into a batch, at least the first; the lock is held."""
        batch = [self._jobs.popleft()]
        count = len(batch[0].pixels)
        while self._jobs and count + len(self._jobs[0].pixels) <= self._max_batch:
            batch.append(self._jobs.popleft())
            count += len(batch[-1].pixels)
        self._waiting -= count
        self._computing += 1
        if self._jobs:
            self._changed.notify()
        return batch

    def _process(self, jobs: list[_Job], resolve: Resolve) -> None:
        """Compute the jobs of a batch that was taken, as far as they are still wanted."""
        answers, report = list[Outcome](), None
        try:
            now = time.monotonic()
            late = [job for job in jobs if job.deadline < now]
            if late:
                resolve([(job.promise, _late(now - job.arrived)) for job in late])
            live = [job for job in jobs if job.deadline >= now and not job.promise.done()]
            if live:
                answers, report = self._compute(live)
        finally:
            # Before the answers, so that whoever gets one finds the batch done.
            with self._changed:
                self._computing -= 1
                if self._jobs or self._closed:
                    self._changed.notify_all()
        if answers:
            resolve(answers)
        if report:
            try:
                self._observe(report)
            except Exception:  # the answers are sent; an error in the metrics must not end the thread
                _log.exception("failed to record the metrics of a batch")

    def _compute(self, jobs: list[_Job]) -> tuple[list[Outcome], BatchReport | None]:
        """Answers of a batch and its report, or its error for each job and None."""
        started = time.monotonic()
        try:
            # The only copy between decoder and session; a single request needs none.
            pixels = jobs[0].pixels if len(jobs) == 1 else np.concatenate([job.pixels for job in jobs])
            prediction = predict_in_parts(self.predictor, pixels, self._max_batch)
        except Exception as error:  # any error must reach the requests, and must not end the thread
            return [(job.promise, error) for job in jobs], None
        compute = time.monotonic() - started
        self._image_seconds = compute / len(pixels)
        answers = list[Outcome]()
        start = 0
        for job in jobs:
            stop = start + len(job.pixels)
            timing = BatchTiming(started - job.arrived, compute, len(pixels))
            answers.append((job.promise, Answer(prediction.rows(start, stop), timing)))
            start = stop
        return answers, BatchReport([started - job.arrived for job in jobs], compute, len(pixels))


def _late(waited: float) -> DeadlineError:
    return DeadlineError(f"the deadline passed after {1000 * waited:.0f} ms in the queue")


def _keep(promises: Sequence[Outcome]) -> None:
    """Resolve promises on their event loop, which is woken once for all of them."""
    # On a closed loop, nothing waits for them any more.
    with suppress(RuntimeError):
        promises[0][0].get_loop().call_soon_threadsafe(_set, promises)


def _set(promises: Sequence[Outcome]) -> None:
    for promise, outcome in promises:
        if promise.done():
            continue
        if isinstance(outcome, Exception):
            promise.set_exception(outcome)
        else:
            promise.set_result(outcome)
