import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo.errors import DeviceError
from zoo.predictors.cuda_thread import CudaThread


class Freed:
    """Notes the thread that frees it."""

    def __init__(self, threads: list[str]) -> None:
        self.threads = threads

    def __del__(self) -> None:
        self.threads.append(here())


def here() -> str:
    return threading.current_thread().name


@pytest.fixture
def thread() -> Iterator[CudaThread]:
    made = CudaThread()
    yield made
    made._executor.shutdown()


def test_whoever_asks_it_is_the_same_thread(thread: CudaThread) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: thread.run(here), range(50))) == {"cuda_0"}
    assert thread.run(divmod, 7, 2) == (3, 1)


def test_what_is_discarded_is_released_there_before_the_next_call(thread: CudaThread) -> None:
    threads: list[str] = []
    thread.discard([Freed(threads)])
    assert threads == []
    assert thread.run(lambda: list(threads)) == ["cuda_0"]


def test_what_a_failing_function_held_is_released_there(thread: CudaThread) -> None:
    threads: list[str] = []

    def fail() -> None:
        try:
            session = Freed(threads)
            raise ValueError("first")
        except ValueError:
            another = Freed(threads)  # noqa: F841
            raise KeyError("second") from None
        del session

    with pytest.raises(KeyError, match="second"):
        thread.run(fail)
    gc.collect()
    assert threads == ["cuda_0"] * 2


def test_a_process_that_was_forked_before_it_started_may_start_its_own(thread: CudaThread) -> None:
    thread.after_fork()
    assert thread.run(here) == "cuda_0"


def test_it_does_not_survive_a_fork(thread: CudaThread) -> None:
    thread.run(here)
    thread.after_fork()
    with pytest.raises(DeviceError, match=r"before this process was forked.*`spawn`"):
        thread.run(here)
    thread.after_fork()
    assert thread.lost
