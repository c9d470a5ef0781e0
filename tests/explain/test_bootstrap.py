import numpy as np
import pytest

from explain.bootstrap import bootstrap

VALUES = np.random.default_rng(1).normal(5, 2, 400)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    [estimate] = bootstrap(lambda counts: [counts @ VALUES / counts.sum()], 400, seed=0)
    half = 1.96 * VALUES.std() / 20
    assert estimate.value == pytest.approx(VALUES.mean())
    assert estimate.low == pytest.approx(VALUES.mean() - half, abs=0.05)
    assert estimate.high == pytest.approx(VALUES.mean() + half, abs=0.05)


def test_numbers_of_one_statistic_are_paired() -> None:
    """The difference of two numbers that always differ by 1 has no spread."""

    def statistic(counts: np.ndarray) -> list[float]:
        mean = counts @ VALUES / counts.sum()
        return [mean, (mean + 1) - mean]

    first, difference = bootstrap(statistic, 400, seed=0)
    assert first.high > first.low + 0.1
    assert difference == pytest.approx((1, 1, 1))


def test_the_seed_decides() -> None:
    def mean(counts: np.ndarray) -> list[float]:
        return [counts @ VALUES / counts.sum()]

    assert bootstrap(mean, 400, seed=0) == bootstrap(mean, 400, seed=0)
    assert bootstrap(mean, 400, seed=0)[0].low != bootstrap(mean, 400, seed=1)[0].low
