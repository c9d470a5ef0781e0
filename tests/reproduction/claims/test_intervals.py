import numpy as np
import pytest

from reproduction.claims.intervals import mean_estimate, mean_estimates


def test_it_is_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    estimate = mean_estimate(values, seed=0)
    assert estimate.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)


def test_an_image_without_a_value_is_left_out() -> None:
    values = np.array([[1.0, 2.0], [np.nan, 4.0], [3.0, 6.0], [1.0, np.nan]])
    first, second = mean_estimates(values, seed=0)
    assert first.value == pytest.approx(5 / 3)
    assert second.value == pytest.approx(4)
    assert first.low >= 1
    assert first.high <= 3
