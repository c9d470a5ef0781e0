import numpy as np
import pytest

from explain.faithfulness.intervals import mean_interval


def test_the_interval_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(3).normal(2.0, 1.0, 400)
    mean, low, high = mean_interval(values)
    error = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(mean - error, abs=0.01)
    assert high == pytest.approx(mean + error, abs=0.01)


def test_equal_values_leave_no_doubt() -> None:
    assert mean_interval(np.full(10, 0.5)) == pytest.approx((0.5, 0.5, 0.5))


def test_the_same_values_give_the_same_interval() -> None:
    values = np.arange(20.0)
    assert mean_interval(values) == mean_interval(values)
