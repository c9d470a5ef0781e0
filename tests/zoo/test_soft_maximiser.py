"""The closed form against a solver of convex programmes, at its limits, and against the block's own assignment."""

import cvxpy as cp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import InputError
from zoo.networks.matching import SlackSoftmax, make_assignment
from zoo.soft_maximiser import soft_maximiser

SCORES = st.lists(st.floats(-10, 10), min_size=1, max_size=12)

CLOSE = 5e-4
"""Between shares: the programme is flat around its solution, so that the solver finds the value far more exactly."""


def solve(scores: np.ndarray, slack: float | None, temperature: float) -> tuple[np.ndarray, float]:
    """The programme by a generic solver, knowing nothing of its closed form; None for no slack."""
    shares = cp.Variable(len(scores), nonneg=True)
    none = cp.Variable(nonneg=True)
    value = shares @ scores + (0 if slack is None else none * slack)
    limits = [cp.sum(shares) + none == 1, *([none == 0] if slack is None else [])]
    if temperature:
        value += temperature * (cp.sum(cp.entr(shares)) + (0 if slack is None else cp.entr(none)))
    cp.Problem(cp.Maximize(value), limits).solve(solver=cp.CLARABEL)
    assert shares.value is not None
    assert none.value is not None
    return shares.value, float(none.value)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0, 5.0])
def test_it_solves_the_smoothed_programme(seed: int, temperature: float) -> None:
    generator = np.random.default_rng(seed)
    scores, slack = 2 * generator.standard_normal(generator.integers(1, 12)), float(generator.standard_normal())
    shares, none = solve(scores, slack, temperature)
    found = soft_maximiser(scores, slack, temperature)
    np.testing.assert_allclose(found.shares, shares, atol=CLOSE)
    np.testing.assert_allclose(found.none, none, atol=CLOSE)


@pytest.mark.parametrize("seed", range(6))
def test_at_temperature_0_it_solves_the_linear_programme(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores, slack = generator.standard_normal(6), float(generator.standard_normal())
    shares, none = solve(scores, slack, 0)
    found = soft_maximiser(scores, slack, 0)
    np.testing.assert_allclose(found.shares, shares, atol=1e-6)
    np.testing.assert_allclose(found.none, none, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_without_slack_it_solves_the_programme_without_slack(seed: int) -> None:
    scores = 2 * np.random.default_rng(seed).standard_normal(7)
    shares, _ = solve(scores, None, 0.7)
    found = soft_maximiser(scores, -np.inf, 0.7)
    np.testing.assert_allclose(found.shares, shares, atol=CLOSE)
    assert found.none == 0


@given(SCORES, st.floats(-5, 5), st.floats(0.1, 5))
def test_it_is_the_blocks_assignment_by_slack_and_temperature(
    scores: list[float], slack: float, temperature: float
) -> None:
    module = SlackSoftmax(len(scores)).requires_grad_(False).double()
    module.gamma.fill_(1 / temperature)
    module.beta.fill_(-slack / temperature)
    expected = module(torch.tensor(scores, dtype=torch.float64)[None, :, None, None])[0, :, 0, 0]
    found = soft_maximiser(scores, slack, temperature)
    np.testing.assert_allclose([*found.shares, found.none], expected, atol=1e-12)


@given(SCORES, st.floats(0.1, 5))
def test_without_slack_it_is_the_assignment_without_slack(scores: list[float], temperature: float) -> None:
    module = make_assignment("softmax_no_slack", len(scores)).requires_grad_(False).double()
    module.gamma.fill_(1 / temperature)
    expected = module(torch.tensor(scores, dtype=torch.float64)[None, :, None, None])[0, :-1, 0, 0]
    np.testing.assert_allclose(soft_maximiser(scores, -np.inf, temperature).shares, expected, atol=1e-12)


def test_a_slack_and_temperature_of_each_template_are_in_the_scores() -> None:
    scores = np.array([0.7, -0.2, 1.1])
    gamma, beta = np.array([2.0, 0.5, 1.0]), np.array([-1.0, 3.0, 0.25])
    module = SlackSoftmax(3).requires_grad_(False).double()
    module.gamma.copy_(torch.from_numpy(gamma))
    module.beta.copy_(torch.from_numpy(beta))
    expected = module(torch.from_numpy(scores)[None, :, None, None])[0, :-1, 0, 0]
    np.testing.assert_allclose(soft_maximiser(gamma * scores + beta, 0, 1).shares, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("scores", "slack", "shares", "none"),
    [
        ([0.2, 0.9, 0.8], 0.5, [0, 1, 0], 0),
        ([0.2, 0.9, 0.8], 1.0, [0, 0, 0], 1),
        ([0.9, 0.2, 0.9], 0.5, [0.5, 0, 0.5], 0),
        ([0.9, 0.2, 0.9], 0.9, [1 / 3, 0, 1 / 3], 1 / 3),
    ],
)
def test_the_limit_of_temperature_0_shares_ties_equally(
    scores: list[float], slack: float, shares: list[float], none: float
) -> None:
    for temperature in (0, 1e-300, 1e-4):
        found = soft_maximiser(scores, slack, temperature)
        np.testing.assert_allclose(found.shares, shares, atol=1e-12)
        assert found.none == pytest.approx(none)


def test_the_slack_shares_nothing_where_it_is_far_below() -> None:
    with_slack, without = soft_maximiser([1.0, 2.0], -800, 1), soft_maximiser([1.0, 2.0], -np.inf, 1)
    np.testing.assert_allclose(with_slack.shares, without.shares)


@pytest.mark.parametrize("temperature", [5e-324, 1e-12, 1.0, 1e300])
def test_huge_scores_and_tiny_temperatures_stay_finite(temperature: float) -> None:
    found = soft_maximiser([1e308, -1e308, 0.0, 5e-324], -1e308, temperature)
    assert np.isfinite(found.shares).all()
    assert found.shares.sum() + found.none == pytest.approx(1)


def test_it_is_computed_patch_by_patch() -> None:
    scores = np.random.default_rng(0).standard_normal((3, 2, 5))
    found = soft_maximiser(scores, 0.1, 0.5)
    assert found.shares.shape == (3, 2, 5)
    assert found.none.shape == (3, 2)
    alone = soft_maximiser(scores[2, 1], 0.1, 0.5)
    np.testing.assert_allclose(found.shares[2, 1], alone.shares)
    np.testing.assert_allclose(found.none[2, 1], alone.none)


@pytest.mark.parametrize(
    ("scores", "slack", "temperature", "message"),
    [
        ([], 0, 1, "scores of shape"),
        ([np.nan], 0, 1, "scores of shape"),
        ([1.0], np.inf, 1, "slack = inf"),
        ([1.0], np.nan, 1, "slack = nan"),
        ([1.0], 0, -1, "temperature = -1"),
        ([1.0], 0, np.inf, "temperature = inf"),
        ([1.0], 0, np.nan, "temperature = nan"),
    ],
)
def test_what_is_out_of_range_is_refused(scores: list[float], slack: float, temperature: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        soft_maximiser(scores, slack, temperature)
