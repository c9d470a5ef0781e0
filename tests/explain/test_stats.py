import numpy as np
import pytest

from explain.stats import bootstrap, bootstrap_repeats, mean_estimate, mean_estimates, proportion_estimate

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


def test_a_mean_has_the_interval_of_the_normal_approximation() -> None:
    mean, low, high = mean_estimate(VALUES, seed=0, resamples=10_000)
    error = 1.96 * VALUES.std() / 20
    assert mean == pytest.approx(VALUES.mean())
    assert low == pytest.approx(mean - error, abs=0.02)
    assert high == pytest.approx(mean + error, abs=0.02)


def test_equal_values_leave_no_doubt() -> None:
    assert mean_estimate(np.full(10, 0.5), seed=0) == pytest.approx((0.5, 0.5, 0.5))


def test_an_image_without_a_value_is_left_out() -> None:
    values = np.array([[1.0, 2.0], [np.nan, 4.0], [3.0, 6.0], [1.0, np.nan]])
    first, second = mean_estimates(values, seed=0)
    assert first.value == pytest.approx(5 / 3)
    assert second.value == pytest.approx(4)
    assert first.low >= 1
    assert first.high <= 3


def test_repeats_are_inside_the_interval() -> None:
    """Two repeats of two procedures that differ only by their seed."""
    shifts = np.array([0.0, 10.0])

    def statistic(counts: np.ndarray, drawn: np.ndarray) -> list[float]:
        mean = counts @ VALUES / counts.sum()
        first, second = (mean + shifts[repeat] for repeat in drawn)
        return [first, first - second]

    first, difference = bootstrap_repeats(statistic, 400, repeats=2, kinds=2, seed=0)
    assert first.value == pytest.approx(VALUES.mean() + 5)
    assert first.low < VALUES.mean() < VALUES.mean() + 10 < first.high
    assert difference == pytest.approx((0, -10, 10))


@pytest.mark.parametrize(("value", "bounds"), [(True, (0.6915, 1)), (False, (0, 0.3085))])
def test_all_or_none_of_ten_leave_doubt(value: bool, bounds: tuple[float, float]) -> None:
    assert proportion_estimate(np.full(10, value), seed=0) == pytest.approx((float(value), *bounds), abs=1e-4)


def test_a_proportion_between_is_a_mean() -> None:
    values = VALUES > 5
    assert proportion_estimate(values, seed=0) == mean_estimate(values.astype(float), seed=0)
