"""A parallel map in bounded memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(function: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R, None, None]:
    """Results of a function for each item, in order, computed by threads a few items ahead.

    The items are read in the caller's thread. Closing the iterator early waits for the calls in progress.
    """
    executor = ThreadPoolExecutor(threads, thread_name_prefix=function.__name__)
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(executor.submit(function, item))
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items each, the last one perhaps shorter."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
