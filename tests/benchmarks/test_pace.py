"""When the requests of a load are due."""

import itertools
import statistics

import pytest
from peers.pace import Closed, Open, arrivals


def test_arrivals_are_a_poisson_process() -> None:
    times = list(arrivals(1000, 5, 15, seed=1))
    assert times == sorted(times)
    assert 5 < times[0] < times[-1] < 15
    assert abs(len(times) - 10_000) < 5 * 100
    gaps = [after - before for before, after in itertools.pairwise(times)]
    # The gaps of independent senders are exponential: their deviation is their mean.
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)
    assert list(arrivals(1000, 5, 15, seed=1)) == times != list(arrivals(1000, 5, 15, seed=2))


def test_a_closed_loop_is_due_at_once_until_it_ends() -> None:
    pace = Closed(stop=10)
    assert [pace.take(now) for now in (1, 9.9, 10)] == [1, 9.9, None]


def test_an_open_loop_is_due_by_its_times_alone() -> None:
    pace = Open(iter([1.0, 2.0, 2.5]))
    assert pace.take(0.9) is None
    assert pace.next == 1.0
    # Late, it keeps when each was due.
    assert [pace.take(2.2), pace.take(2.2), pace.take(2.2)] == [1.0, 2.0, None]
    assert pace.next == 2.5
    assert pace.take(3) == 2.5
    assert pace.take(1e9) is None
