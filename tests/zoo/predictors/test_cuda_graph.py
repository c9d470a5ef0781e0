"""On the CPU: the same buffers and sizes, without captured graphs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.closeness import assert_alike

from zoo.hub import open_model
from zoo.images.preprocess import Pixels
from zoo.outputs import STANDARD
from zoo.predictors.cuda_graph import CudaGraphRunner
from zoo.predictors.onnx import run_session
from zoo.predictors.onnx_session import open_session
from zoo.runtime import Runtime


def noise(count: int) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def session() -> object:
    return open_session(open_model("wrn16-ours").onnx(), "cpu", 1, Runtime())


def test_batches_of_any_size(session: object) -> None:
    runner = CudaGraphRunner(session, STANDARD, 32, "cpu", sizes=(1, 2, 4))
    for count in (3, 1, 4, 2, 3, 9):
        assert_alike(runner(noise(count)), run_session(session, STANDARD, noise(count)))


def test_an_answer_outlives_the_next_batch(session: object) -> None:
    runner = CudaGraphRunner(session, STANDARD, 32, "cpu")
    first = runner(noise(2))
    before = first.logits.copy()
    runner(255 - noise(2))
    np.testing.assert_array_equal(first.logits, before)


def test_several_threads_may_ask(session: object) -> None:
    runner = CudaGraphRunner(session, STANDARD, 32, "cpu", sizes=(4,))
    counts = [1, 2, 3, 4] * 5
    with ThreadPoolExecutor(4) as pool:
        for count, answer in zip(counts, pool.map(lambda count: runner(noise(count)), counts), strict=True):
            assert_alike(answer, run_session(session, STANDARD, noise(count)))
