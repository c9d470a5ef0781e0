import threading
from collections.abc import Iterator

import pytest

from zoo.parallel import batched, map_in_order


def test_results_are_in_order_whoever_is_first() -> None:
    later = threading.Event()

    def wait_for_the_next(number: int) -> int:
        if number == 1:
            later.set()
        return number if later.wait(10) else -1

    assert list(map_in_order(wait_for_the_next, range(5), threads=2)) == [0, 1, 2, 3, 4]


def test_few_items_are_read_ahead_and_no_thread_is_left() -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    results = map_in_order(abs, items(), threads=3)
    assert next(results) == 0
    results.close()
    assert len(read) <= 7
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("abs")]


def test_an_error_arrives_in_its_place() -> None:
    results = map_in_order(lambda number: 6 // number, [3, 2, 0, 1], threads=2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_batches() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []
