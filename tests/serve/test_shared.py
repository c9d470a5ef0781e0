import multiprocessing
import time
from collections.abc import Callable
from threading import Thread

import pytest

from serve.errors import QueueFullError
from serve.http.auth import RateLimiter
from serve.inference.admission import Admission
from serve.metrics import ProcessMetrics
from serve.shared import FairThreads, Shared, SharedTimes

spawn = multiprocessing.get_context("spawn")


def in_another_process(function: Callable[[Shared], None], shared: Shared) -> None:
    process = spawn.Process(target=function, args=(shared,))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def work(shared: Shared) -> None:
    shared.items.own += 3
    shared.buckets["somebody"] = 7.0


@pytest.mark.process
def test_processes_see_each_other() -> None:
    shared = Shared.create(2)
    shared.items.own += 2
    in_another_process(work, shared.at(1))
    assert (shared.items.own, shared.items.total) == (2, 5)
    assert shared.at(1).items.own == 3
    assert shared.buckets["somebody"] == 7
    shared.at(1).reset()
    assert (shared.items.own, shared.items.total) == (2, 2)
    assert shared.buckets["somebody"] == 7


def test_room_is_for_all_processes() -> None:
    shared = Shared.create(2)
    one, other = Admission(3, 100, shared), Admission(3, 100, shared.at(1))
    with one.enter() as place, other.enter() as another:
        place.add(items=2, bytes_=60)
        with pytest.raises(QueueFullError, match=r"2 images in flight, 2 more requested \(limit 3\)"):
            another.add(items=2)
        with pytest.raises(QueueFullError, match=r"60 bytes in flight, 41 more requested \(limit 100\)"):
            another.add(bytes_=41)
        another.add(items=1, bytes_=40)
        with pytest.raises(QueueFullError):
            one.enter()
    assert shared.items.total == shared.bytes.total == 0


def test_a_rate_is_of_all_processes() -> None:
    shared = Shared.create(2)
    one, other = (RateLimiter(1, 3, view.buckets) for view in (shared, shared.at(1)))
    assert [limit.take("a") > 0 for limit in (one, other, one, other, one)] == [False] * 3 + [True] * 2
    assert other.take("b") == 0


def test_times_of_names() -> None:
    times = SharedTimes(1024)
    assert times["a"] == 0
    names = [str(number) for number in range(100)]
    for number, name in enumerate(names):
        times[name] = 1 + number
    assert [times[name] for name in names] == [1 + number for number in range(100)]
    times["7"] = 1000
    assert times["7"] == 1000


def test_the_earliest_time_is_forgotten() -> None:
    times = SharedTimes(1)
    for time_, name in enumerate("abcdefgh", 1):
        times[name] = time_
    times["a"] = 10
    times["i"] = 11
    assert [times[name] for name in "abcdefghi"] == [10, 0, 3, 4, 5, 6, 7, 8, 11]


def test_threads_are_divided_among_those_who_compute() -> None:
    shared = Shared.create(3)
    one, two, three = (_share(shared.at(place)) for place in range(3))
    with one(8) as alone:
        assert alone == 8
        with two(8) as second, three(8) as third:
            assert (second, third) == (4, 2)
            with one(2) as least:
                assert least == 1
        with pytest.raises(ValueError, match="broken"), two(8):
            raise ValueError("broken")
        with two(8) as again:
            assert again == 4
    assert shared.computing.total == 0


def test_a_process_that_decodes_keeps_a_thread() -> None:
    shared = Shared.create(3)
    shared.items.own = 2
    shared.at(2).items.own = 1
    with _share(shared)(8) as threads:
        assert threads == 4


def test_threads_of_one_process_count_right() -> None:
    shared = Shared.create()
    share = _share(shared)

    def compute() -> None:
        for _ in range(500):
            with share(4) as threads:
                assert 1 <= threads <= 4

    threads = [Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.computing.total == 0


def rest(shared: Shared) -> None:
    shared.pids.own = multiprocessing.current_process().pid or 0
    time.sleep(60)


@pytest.mark.process
def test_what_processes_take_is_summed() -> None:
    shared = Shared.create(2)
    rest_of_it = spawn.Process(target=rest, args=(shared.at(1),))
    rest_of_it.start()
    try:
        deadline = time.monotonic() + 60
        while not shared.pids.total:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        child = {metric.name: metric.samples[0].value for metric in ProcessMetrics(shared.pids).collect()}
        shared.pids.own = multiprocessing.current_process().pid or 0
        both = {metric.name: metric.samples[0].value for metric in ProcessMetrics(shared.pids).collect()}
    finally:
        rest_of_it.kill()
        rest_of_it.join()
    if not child:
        pytest.skip("this system has no /proc")
    assert both["process_resident_memory_bytes"] > child["process_resident_memory_bytes"] > 1e6
    assert both["process_open_fds"] > child["process_open_fds"]
    assert both["process_start_time_seconds"] < child["process_start_time_seconds"]
    assert both["process_max_fds"] <= child["process_max_fds"]


def _share(shared: Shared) -> FairThreads:
    return FairThreads(shared.computing, shared.items)
