import time

import pytest
from peers.budget import Budget, interrupted_after


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def measure(budget: Budget, clock: Clock, seconds: float) -> None:
    with budget.measurement():
        clock.now += seconds


def test_what_takes_as_long_as_the_longest_so_far_must_fit() -> None:
    clock = Clock()
    budget = Budget(1, clock)
    assert budget.fits()
    measure(budget, clock, 20)
    measure(budget, clock, 5)
    assert budget.fits()
    measure(budget, clock, 15)
    assert not budget.fits()
    assert budget.left == 20


def test_without_a_limit_everything_fits() -> None:
    clock = Clock()
    budget = Budget(None, clock)
    measure(budget, clock, 1e6)
    assert budget.fits()
    assert budget.share(3).fits()
    assert not budget.limited


def test_a_share_of_the_time_left() -> None:
    clock = Clock()
    budget = Budget(2, clock)
    clock.now = 30
    share = budget.share(3)
    assert share.left == 30
    measure(share, clock, 20)
    assert not share.fits()
    assert budget.fits()
    measure(budget, clock, 60)
    assert not budget.fits()


def test_a_contender_that_takes_too_long_is_interrupted() -> None:
    with pytest.raises(TimeoutError, match="not ready after"), interrupted_after(0.05):
        time.sleep(10)
    with interrupted_after(0.05):
        pass
    time.sleep(0.1)
    with interrupted_after(None):
        time.sleep(0.01)
