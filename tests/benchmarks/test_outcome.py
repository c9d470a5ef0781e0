"""What is said of a load's samples."""

import pytest
from peers.load import FAILED, UNANSWERED, Sample
from peers.outcome import outcome, percentile, percentiles


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (50, 5), (90, 9), (91, 10), (99, 10), (100, 10)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    assert percentile(range(1, 11), share) == expected


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles([0.3, 0.1, 0.2]) == {"p50": 200.0, "p90": 300.0, "p99": 300.0}
    assert percentiles([]) == {}


def sample(due: float, took: float, status: int = 200) -> Sample:
    return Sample(due, 0.001, took, status)


def test_an_open_loop_counts_what_was_due_in_the_time() -> None:
    samples = [
        sample(-0.5, 0.1),  # warm-up
        sample(-0.1, 0.2),  # answered in the time, due before
        sample(0.0, 0.1),
        sample(0.5, 2.0),  # answered after it, and counts for the times all the same
        sample(0.6, 0.01, 429),
        sample(0.7, 0.02, 503),
        sample(0.8, 0.1, 500),
        sample(0.9, 0.1, FAILED),
        sample(0.95, 9.0, UNANSWERED),
        sample(1.0, 0.1),  # of the next time
    ]
    found = outcome(samples, 1.0, closed=False)
    assert (found.requests, found.rejected, found.failed, found.unanswered) == (7, 2, 2, 1)
    assert found.rejected_share == pytest.approx(2 / 7)
    assert found.requests_per_second == 2
    assert found.latency == {"p50": 2000.0, "p90": 9000.0, "p99": 9000.0}
    assert found.rejection == {"p50": 10.0, "p90": 20.0, "p99": 20.0}
    assert found.lateness["p99"] == 1


def test_a_closed_loop_counts_what_was_answered_in_the_time() -> None:
    samples = [sample(-0.5, 0.1), sample(-0.1, 0.3), sample(0.5, 0.4), sample(0.9, 0.5), sample(0.5, 9.0, UNANSWERED)]
    found = outcome(samples, 1.0, closed=True)
    assert (found.requests, found.unanswered, found.requests_per_second) == (3, 1, 2)
    assert found.latency == {"p50": 400.0, "p90": 9000.0, "p99": 9000.0}


def test_a_part_of_the_time() -> None:
    samples = [sample(due, 0.1) for due in (0.0, 59.9, 60.0, 61.0, 120.0)]
    assert outcome(samples, 60, closed=False, start=60).requests == 2


def test_nothing_came() -> None:
    found = outcome([], 1.0, closed=False)
    assert (found.requests, found.rejected_share, found.latency) == (0, 0.0, {})
