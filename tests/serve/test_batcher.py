import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import numpy as np
import pytest
from support.serving import GatedPredictor

from serve.batcher import Answer, Batcher, BatchReport
from serve.errors import DeadlineError, ShuttingDownError
from zoo.preprocess import Pixels

FAR = 1e9


def pictures(*values: int) -> Pixels:
    """Pictures of one grey each, so that an answer shows which picture it is for."""
    return np.stack([np.full((3, 32, 32), value, dtype=np.uint8) for value in values])


def greys(future: "Future[Answer]") -> list[float]:
    return future.result(timeout=10).prediction.logits[:, 0].tolist()


@pytest.fixture
def make(predictor: GatedPredictor) -> Iterator[Any]:
    made: list[Batcher] = []

    def build(**options: Any) -> Batcher:
        made.append(Batcher(predictor, **{"max_batch": 4, "max_wait": 0.05} | options))
        return made[-1]

    yield build
    predictor.gate.set()
    for batcher in made:
        assert batcher.close(10)


def test_each_request_gets_its_own_pictures(make: Any) -> None:
    batcher = make()
    futures = [
        batcher.submit(pictures(*range(start, start + count)), FAR) for start, count in ((0, 1), (9, 3), (50, 2))
    ]
    assert [greys(future) for future in futures] == [[0], [9, 10, 11], [50, 51]]


def test_requests_that_wait_are_computed_together(make: Any, predictor: GatedPredictor) -> None:
    batcher = make(max_wait=0)
    predictor.gate.clear()
    first = batcher.submit(pictures(1), FAR)
    assert predictor.entered.wait(10)
    others = [batcher.submit(pictures(2), FAR), batcher.submit(pictures(3, 4), FAR)]
    predictor.gate.set()
    wait([first, *others], timeout=10)
    assert predictor.batches == [1, 3]
    assert others[0].result().timing.batch == 3


def test_a_full_batch_does_not_wait(make: Any, predictor: GatedPredictor) -> None:
    batcher = make(max_wait=30)
    futures = [batcher.submit(pictures(value), FAR) for value in range(4)]
    assert [greys(future) for future in futures] == [[0], [1], [2], [3]]


def test_a_batch_that_is_not_full_starts_after_the_wait(make: Any) -> None:
    batcher = make(max_wait=0.2)
    answer = batcher.submit(pictures(7), FAR).result(timeout=10)
    assert answer.timing.queue >= 0.19


def test_a_request_above_the_batch_size_is_computed_in_parts(make: Any, predictor: GatedPredictor) -> None:
    batcher = make()
    assert greys(batcher.submit(pictures(*range(7)), FAR)) == list(range(7))
    assert predictor.batches == [4, 3]


def test_a_deadline_that_passes_in_the_queue_is_not_computed(make: Any, predictor: GatedPredictor) -> None:
    batcher = make(max_wait=0)
    predictor.gate.clear()
    first = batcher.submit(pictures(0), FAR)
    assert predictor.entered.wait(10)
    late = batcher.submit(pictures(1), time.monotonic() + 0.01)
    in_time = batcher.submit(pictures(2), FAR)
    time.sleep(0.05)
    predictor.gate.set()
    with pytest.raises(DeadlineError, match="ms in the queue"):
        late.result(timeout=10)
    assert greys(first) == [0]
    assert greys(in_time) == [2]
    assert predictor.batches == [1, 1]


def test_a_cancelled_request_is_not_computed(make: Any, predictor: GatedPredictor) -> None:
    batcher = make(max_wait=0)
    predictor.gate.clear()
    first = batcher.submit(pictures(0), FAR)
    assert predictor.entered.wait(10)
    gone = batcher.submit(pictures(1), FAR)
    assert gone.cancel()
    last = batcher.submit(pictures(2), FAR)
    predictor.gate.set()
    assert greys(first) == [0]
    assert greys(last) == [2]
    assert predictor.batches == [1, 1]
    with pytest.raises(CancelledError):
        gone.result()


def test_an_error_reaches_its_requests_and_the_thread_goes_on(make: Any, predictor: GatedPredictor) -> None:
    batcher = make()
    predictor.error = RuntimeError("out of order")
    with pytest.raises(RuntimeError, match="out of order"):
        batcher.submit(pictures(1), FAR).result(timeout=10)
    predictor.error = None
    assert greys(batcher.submit(pictures(2), FAR)) == [2]


def test_closing_finishes_what_waits_and_takes_no_more(make: Any, predictor: GatedPredictor) -> None:
    batcher = make(max_wait=30)
    predictor.gate.clear()
    waiting = [batcher.submit(pictures(1, 2, 3, 4), FAR), batcher.submit(pictures(5), FAR)]
    assert predictor.entered.wait(10)
    closing = threading.Thread(target=batcher.close, args=(10,))
    closing.start()
    while batcher.alive:
        time.sleep(0.001)
    with pytest.raises(ShuttingDownError):
        batcher.submit(pictures(6), FAR)
    predictor.gate.set()
    assert [greys(future) for future in waiting] == [[1, 2, 3, 4], [5]]
    closing.join(10)
    assert not closing.is_alive()


def test_closing_says_when_the_limit_was_too_short(make: Any, predictor: GatedPredictor) -> None:
    batcher = make(max_wait=0)
    predictor.gate.clear()
    batcher.submit(pictures(1), FAR)
    assert predictor.entered.wait(10)
    assert not batcher.close(0.01)


def test_every_batch_is_reported(make: Any) -> None:
    reports: list[BatchReport] = []
    batcher = make(observe=reports.append)
    batcher.submit(pictures(1, 2), FAR).result(timeout=10)
    assert batcher.close(10)
    [report] = reports
    assert report.batch == 2
    assert len(report.queue) == 1
    assert report.compute >= 0


def test_a_report_that_fails_does_not_end_the_thread(make: Any) -> None:
    def fail(report: BatchReport) -> None:
        raise RuntimeError("no report")

    batcher = make(observe=fail)
    assert greys(batcher.submit(pictures(1), FAR)) == [1]
    assert greys(batcher.submit(pictures(2), FAR)) == [2]
