import numpy as np
import pytest
from scipy.stats import spearmanr

from reproduction.claims.maximiser.agreement import MEASURES, agreement, effective_templates, fit, shares_of
from zoo.soft_maximiser import Assigned, soft_maximiser

SUPPORT, RANK, MASS, OVERLAP = range(len(MEASURES))


def test_of_what_is_passed_itself_all_is_1() -> None:
    passed = np.array([[0.0, 1.0, 3.0, 0.0]])
    measures = agreement(passed, Assigned(shares_of(passed), np.zeros(1)))
    np.testing.assert_allclose(measures, np.ones((1, 4)))


def test_by_hand() -> None:
    passed = np.array([0.0, 1.0, 3.0, 0.0])
    found = agreement(passed, Assigned(np.array([0.4, 0.1, 0.2, 0.1]), np.array(0.2)))
    # Above the slack's 0.2 is the first alone, which the ReLU drops; without the slack the shares are eighths.
    assert found[SUPPORT] == 0
    assert found[MASS] == pytest.approx(3 / 8)
    assert found[OVERLAP] == pytest.approx(1 / 8 + 2 / 8)
    assert found[RANK] == pytest.approx(spearmanr(passed, [0.4, 0.1, 0.2, 0.1]).statistic)


def test_f1_of_the_support() -> None:
    passed = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    found = agreement(passed, Assigned(np.array([0.3, 0.1, 0.05, 0.25, 0.2]), np.array(0.1)))
    assert found[SUPPORT] == pytest.approx(2 * 1 / (3 + 3))


def test_ranks_are_spearmans_on_ties() -> None:
    generator = np.random.default_rng(0)
    passed, shares = generator.standard_normal((2, 20, 9)).clip(0)
    measures = agreement(passed, Assigned(shares, np.zeros(20)))
    np.testing.assert_allclose(
        measures[:, RANK], [spearmanr(one, other).statistic for one, other in zip(passed, shares, strict=True)]
    )


def test_where_nothing_passes_nothing_is_defined() -> None:
    passed = np.array([[0.0, 0.0], [1.0, 0.0]])
    measures = agreement(passed, soft_maximiser(passed, 0, 1))
    assert np.isnan(measures[0]).all()
    assert np.isfinite(measures[1]).all()


def test_effective_templates() -> None:
    assert effective_templates(np.array([0.0, 5.0, 0.0])) == pytest.approx(1)
    assert effective_templates(np.array([2.0, 2.0, 0.0])) == pytest.approx(2)


def test_the_slack_that_made_the_support_is_found() -> None:
    scores = np.random.default_rng(0).standard_normal((400, 16))
    slack, _ = fit(scores, (scores - 0.6).clip(0))
    assert slack == pytest.approx(0.6, abs=0.03)


def test_the_slack_of_bns_output_is_0_exactly() -> None:
    scores = np.random.default_rng(1).standard_normal((200, 16))
    assert fit(scores, scores.clip(0))[0] == 0


@pytest.mark.parametrize("temperature", [0.2, 0.7, 3.0])
def test_the_temperature_that_made_the_shares_is_found(temperature: float) -> None:
    scores = np.random.default_rng(2).standard_normal((200, 16))
    made = soft_maximiser(scores, -np.inf, temperature).shares
    assert fit(scores, made)[1] == pytest.approx(temperature, rel=0.01)


def test_the_fitted_temperature_has_the_most_overlap() -> None:
    scores = np.random.default_rng(3).standard_normal((300, 24))
    passed = scores.clip(0)
    _, best = fit(scores, passed)

    def overlap(temperature: float) -> float:
        return float(agreement(passed, soft_maximiser(scores, 0, temperature))[:, OVERLAP].mean())

    assert overlap(best) > max(overlap(best * 0.9), overlap(best * 1.1))
