import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import numpy as np
import pytest
from support.serving import GatedPredictor

from serve.errors import DeadlineError, ShuttingDownError
from serve.inference.batcher import LOOP_SECONDS, Answer, Batcher, Promise
from serve.metrics import BatchReport
from zoo.images.preprocess import Pixels
from zoo.predictors import Prediction

FAR = 1e9


def images(*values: int) -> Pixels:
    """Images of one grey each, so that an answer shows which image it is for."""
    return np.stack([np.full((3, 32, 32), value, dtype=np.uint8) for value in values])


def greys(future: "Future[Answer]") -> list[float]:
    return future.result(timeout=10).prediction.logits[:, 0].tolist()


class Desk:
    """A batcher, and the event loop of those who wait for its answers."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def submit(self, pixels: Pixels, deadline: float, expected: bool = False) -> "Future[Answer]":
        """Submit at once; what is returned ends as the promise does, and cancels it."""
        submitted = threading.Event()

        async def ask() -> Answer:
            promise: Promise = asyncio.get_running_loop().create_future()
            self.batcher.submit(pixels, deadline, promise, expected)
            submitted.set()
            return await promise

        future = asyncio.run_coroutine_threadsafe(ask(), self._loop)
        assert submitted.wait(10)
        return future

    def promise(self) -> "tuple[Promise, Future[Answer]]":
        """A promise, and what ends as it does."""

        async def make() -> Promise:
            return asyncio.get_running_loop().create_future()

        async def wait_for(promise: Promise) -> Answer:
            return await promise

        promise = asyncio.run_coroutine_threadsafe(make(), self._loop).result(10)
        return promise, asyncio.run_coroutine_threadsafe(wait_for(promise), self._loop)

    def submit_on_loop(self, *requests: Pixels) -> "list[Future[Answer]]":
        """Submit requests on the loop, all before it goes on."""
        promises = [self.promise() for _ in requests]

        def submit() -> None:
            for pixels, (promise, _) in zip(requests, promises, strict=True):
                self.batcher.submit_on_loop(pixels, FAR, promise)

        self._loop.call_soon_threadsafe(submit)
        return [future for _, future in promises]

    def give_up(self, error: Exception | None) -> "Future[Answer]":
        async def ask() -> Answer:
            promise: Promise = asyncio.get_running_loop().create_future()
            self.batcher.give_up(promise, error)
            return await promise

        return asyncio.run_coroutine_threadsafe(ask(), self._loop)

    def settle(self) -> None:
        """Until the loop has done what it was told."""
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def make(predictor: GatedPredictor) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def build(**options: Any) -> Desk:
        made.append(Desk(Batcher(predictor, **{"max_batch": 4, "max_wait": 0.05} | options)))
        return made[-1]

    yield build
    predictor.gate.set()
    for desk in made:
        assert desk.batcher.close(10)
        desk.close()


def test_each_request_gets_its_own_images(make: Callable[..., Desk]) -> None:
    desk = make()
    futures = [desk.submit(images(*range(start, start + count)), FAR) for start, count in ((0, 1), (9, 3), (50, 2))]
    assert [greys(future) for future in futures] == [[0], [9, 10, 11], [50, 51]]


def test_requests_that_wait_are_computed_together(make: Callable[..., Desk], predictor: GatedPredictor) -> None:
    desk = make(max_wait=0)
    predictor.gate.clear()
    first = desk.submit(images(1), FAR)
    assert predictor.entered.wait(10)
    others = [desk.submit(images(2), FAR), desk.submit(images(3, 4), FAR)]
    predictor.gate.set()
    wait([first, *others], timeout=10)
    assert predictor.batches == [1, 3]
    assert others[0].result().timing.batch == 3


def test_a_full_batch_does_not_wait(make: Callable[..., Desk], predictor: GatedPredictor) -> None:
    desk = make(max_wait=30)
    desk.batcher.expect()
    futures = [desk.submit(images(value), FAR) for value in range(4)]
    assert [greys(future) for future in futures] == [[0], [1], [2], [3]]


def test_a_batch_that_is_not_full_starts_after_the_wait(make: Callable[..., Desk]) -> None:
    desk = make(max_wait=0.2)
    desk.batcher.expect()
    answer = desk.submit(images(7), FAR).result(timeout=10)
    assert answer.timing.queue >= 0.19


def test_a_request_does_not_wait_when_no_other_is_expected(make: Callable[..., Desk]) -> None:
    desk = make(max_wait=30)
    assert greys(desk.submit(images(7), FAR)) == [7]
    desk.batcher.expect()
    assert greys(desk.submit(images(8), FAR, expected=True)) == [8]


def test_requests_that_are_expected_are_waited_for(make: Callable[..., Desk], predictor: GatedPredictor) -> None:
    desk = make(max_wait=30)
    desk.batcher.expect()
    desk.batcher.expect()
    first = desk.submit(images(1), FAR, expected=True)
    time.sleep(0.05)
    assert not first.done()
    second = desk.submit(images(2), FAR, expected=True)
    assert [greys(first), greys(second)] == [[1], [2]]
    assert predictor.batches == [2]


def test_one_that_fails_on_its_way_is_not_waited_for(make: Callable[..., Desk]) -> None:
    desk = make(max_wait=30)
    desk.batcher.expect()
    future = desk.submit(images(1), FAR)
    with pytest.raises(ZeroDivisionError):
        desk.give_up(ZeroDivisionError()).result(timeout=10)
    assert greys(future) == [1]


def test_workers_compute_batches_at_the_same_time(make: Callable[..., Desk], predictor: GatedPredictor) -> None:
    desk = make(workers=2, max_wait=0)
    predictor.gate.clear()
    futures = []
    for value in (1, 2):
        futures.append(desk.submit(images(value), FAR))
        while len(predictor.batches) < value:
            time.sleep(0.001)
    waiting = desk.submit(images(3), FAR)
    predictor.gate.set()
    assert [greys(future) for future in (*futures, waiting)] == [[1], [2], [3]]
    assert predictor.batches == [1, 1, 1]


def test_a_request_above_the_batch_size_is_computed_in_parts(
    make: Callable[..., Desk], predictor: GatedPredictor
) -> None:
    desk = make()
    assert greys(desk.submit(images(*range(7)), FAR)) == list(range(7))
    assert predictor.batches == [4, 3]


def test_a_deadline_that_passes_in_the_queue_is_not_computed(
    make: Callable[..., Desk], predictor: GatedPredictor
) -> None:
    desk = make(max_wait=0)
    predictor.gate.clear()
    first = desk.submit(images(0), FAR)
    assert predictor.entered.wait(10)
    late = desk.submit(images(1), time.monotonic() + 0.01)
    in_time = desk.submit(images(2), FAR)
    time.sleep(0.05)
    predictor.gate.set()
    with pytest.raises(DeadlineError, match="ms in the queue"):
        late.result(timeout=10)
    assert greys(first) == [0]
    assert greys(in_time) == [2]
    assert predictor.batches == [1, 1]


def test_a_cancelled_request_is_not_computed(make: Callable[..., Desk], predictor: GatedPredictor) -> None:
    desk = make(max_wait=0)
    predictor.gate.clear()
    first = desk.submit(images(0), FAR)
    assert predictor.entered.wait(10)
    gone = desk.submit(images(1), FAR)
    assert gone.cancel()
    desk.settle()
    last = desk.submit(images(2), FAR)
    predictor.gate.set()
    assert greys(first) == [0]
    assert greys(last) == [2]
    assert predictor.batches == [1, 1]
    with pytest.raises(CancelledError):
        gone.result()


def test_an_error_reaches_its_requests_and_the_thread_goes_on(
    make: Callable[..., Desk], predictor: GatedPredictor
) -> None:
    desk = make()
    predictor.error = RuntimeError("out of order")
    with pytest.raises(RuntimeError, match="out of order"):
        desk.submit(images(1), FAR).result(timeout=10)
    predictor.error = None
    assert greys(desk.submit(images(2), FAR)) == [2]


def test_closing_finishes_what_waits_and_takes_no_more(make: Callable[..., Desk], predictor: GatedPredictor) -> None:
    desk = make(max_wait=30)
    predictor.gate.clear()
    waiting = [desk.submit(images(1, 2, 3, 4), FAR), desk.submit(images(5), FAR)]
    assert predictor.entered.wait(10)
    closing = threading.Thread(target=desk.batcher.close, args=(10,))
    closing.start()
    while desk.batcher.alive:
        time.sleep(0.001)
    with pytest.raises(ShuttingDownError):
        desk.submit(images(6), FAR).result(timeout=10)
    predictor.gate.set()
    assert [greys(future) for future in waiting] == [[1, 2, 3, 4], [5]]
    closing.join(10)
    assert not closing.is_alive()


def test_closing_says_when_the_limit_was_too_short(make: Callable[..., Desk], predictor: GatedPredictor) -> None:
    desk = make(max_wait=0)
    predictor.gate.clear()
    desk.submit(images(1), FAR)
    assert predictor.entered.wait(10)
    assert not desk.batcher.close(0.01)


class Computed:
    """The threads that computed batches."""

    def __init__(self, predictor: GatedPredictor, slow: float = 0.0) -> None:
        self.config, self.device = predictor.config, predictor.device
        self.threads: list[str] = []
        self.slow = slow
        self._predictor = predictor

    def __call__(self, pixels: Pixels) -> Prediction:
        self.threads.append(threading.current_thread().name)
        time.sleep(self.slow)
        return self._predictor(pixels)

    @property
    def on_loop(self) -> list[bool]:
        return [not name.startswith("batcher") for name in self.threads]


def test_short_batches_are_computed_on_the_loop(predictor: GatedPredictor, make: Callable[..., Desk]) -> None:
    desk = make()
    computed = desk.batcher.predictor = Computed(predictor)
    # The first tells how long an image takes.
    [first] = desk.submit_on_loop(images(1))
    assert greys(first) == [1]
    answers = desk.submit_on_loop(images(2), images(3), images(4))
    assert [greys(answer) for answer in answers] == [[2], [3], [4]]
    assert predictor.batches == [1, 3]
    assert computed.on_loop == [False, True]


def test_long_batches_are_left_to_the_threads(predictor: GatedPredictor, make: Callable[..., Desk]) -> None:
    desk = make()
    computed = desk.batcher.predictor = Computed(predictor, slow=1.1 * LOOP_SECONDS)
    for value in (1, 2):
        [answer] = desk.submit_on_loop(images(value))
        assert greys(answer) == [value]
    computed.slow = 0
    for value in (3, 4):
        [answer] = desk.submit_on_loop(images(value))
        assert greys(answer) == [value]
    assert computed.on_loop == [False, False, False, True]


def test_what_waits_on_the_loop_joins_those_expected_from_threads(
    predictor: GatedPredictor, make: Callable[..., Desk]
) -> None:
    desk = make(max_wait=30)
    assert [greys(answer) for answer in desk.submit_on_loop(images(1))] == [[1]]
    desk.batcher.expect()
    [small] = desk.submit_on_loop(images(2))
    large = desk.submit(images(3), FAR, expected=True)
    assert [greys(small), greys(large)] == [[2], [3]]
    assert predictor.batches == [1, 2]


def test_threads_wait_for_a_batch_of_the_loop(predictor: GatedPredictor, make: Callable[..., Desk]) -> None:
    desk = make(max_wait=0)
    assert [greys(answer) for answer in desk.submit_on_loop(images(1))] == [[1]]
    predictor.gate.clear()
    predictor.entered.clear()
    promise, from_thread = desk.promise()
    [on_loop] = desk.submit_on_loop(images(2))
    assert predictor.entered.wait(10)
    desk.batcher.submit(images(3), FAR, promise)
    time.sleep(0.05)
    assert predictor.batches == [1, 1]
    predictor.gate.set()
    assert [greys(on_loop), greys(from_thread)] == [[2], [3]]
    assert predictor.batches == [1, 1, 1]


def test_an_error_on_the_loop_is_that_of_its_requests(predictor: GatedPredictor, make: Callable[..., Desk]) -> None:
    desk = make()
    assert [greys(answer) for answer in desk.submit_on_loop(images(1))] == [[1]]
    predictor.error = RuntimeError("out of order")
    [answer] = desk.submit_on_loop(images(2))
    with pytest.raises(RuntimeError, match="out of order"):
        answer.result(timeout=10)
    predictor.error = None
    assert [greys(answer) for answer in desk.submit_on_loop(images(3))] == [[3]]


def test_a_closed_batcher_takes_nothing_on_the_loop(make: Callable[..., Desk]) -> None:
    desk = make()
    assert desk.batcher.close(10)
    [answer] = desk.submit_on_loop(images(1))
    with pytest.raises(ShuttingDownError):
        answer.result(timeout=10)


def test_every_batch_is_reported(make: Callable[..., Desk]) -> None:
    reports: list[BatchReport] = []
    desk = make(observe=reports.append)
    desk.submit(images(1, 2), FAR).result(timeout=10)
    assert desk.batcher.close(10)
    [report] = reports
    assert report.batch == 2
    assert len(report.queue) == 1
    assert report.compute >= 0


def test_a_report_that_fails_does_not_end_the_thread(make: Callable[..., Desk]) -> None:
    def fail(report: BatchReport) -> None:
        raise RuntimeError("no report")

    desk = make(observe=fail)
    assert greys(desk.submit(images(1), FAR)) == [1]
    assert greys(desk.submit(images(2), FAR)) == [2]
