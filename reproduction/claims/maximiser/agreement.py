"""How alike what BN-ReLU passes and an assignment of the same patch are, over the templates."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import rankdata

from zoo.soft_maximiser import Assigned

Floats = NDArray[np.float64]

MEASURES = ("support", "rank", "mass", "overlap")
"""`support`: F1 of the templates whose share is above the slack's, against those that the ReLU passes.
`rank`: Spearman's correlation of the shares and what is passed, over all templates.
`mass`: the part of the templates' shares that is on those that the ReLU passes.
`overlap`: the sum of the smaller of both shares, 1 less their total variation."""

_SLACKS = 199
_LOG_RANGE = 5.0
"""Temperatures are looked for within so many powers of e of the scores' deviation."""


def agreement(passed: Floats, assigned: Assigned) -> Floats:
    """The `MEASURES` of each patch, [..., 4]; NaN where they are not defined, as where the ReLU passes nothing.

    What is passed is compared as shares of its sum. The slack gets no share of it, since BN-ReLU keeps none: what it
    drops is gone. So the slack is compared by what it drops (`support`), and the shares among the templates alone.

    Arguments:
        passed: the ReLU's output [..., K].
        assigned: an assignment of the same patches.
    """
    shares, none = assigned
    active, chosen = passed > 0, shares > none[..., None]
    common = (active & chosen).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        support = 2 * common / (active.sum(axis=-1) + chosen.sum(axis=-1))
        among = shares / shares.sum(axis=-1, keepdims=True)
        mass = np.where(active, among, 0).sum(axis=-1)
        overlap = np.minimum(shares_of(passed), among).sum(axis=-1)
        measures = np.stack([support, _rank_correlation(passed, shares), mass, overlap], axis=-1)
    measures[~active.any(axis=-1)] = np.nan
    return measures


def shares_of(passed: Floats) -> Floats:
    """What is passed as shares of its sum, [..., K]; NaN where nothing is."""
    with np.errstate(invalid="ignore"):
        return passed / passed.sum(axis=-1, keepdims=True)


def effective_templates(passed: Floats) -> Floats:
    """Over how many templates the shares are spread, [...]: the exponential of their entropy, 1 to K."""
    shares = shares_of(passed)
    return np.exp(-(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=-1))


def fit(scores: Floats, passed: Floats) -> tuple[float, float]:
    """The slack and temperature at which the assignment of scores is most like what BN-ReLU passes.

    The slack decides which templates beat it, p_k > q where a_k > mu, and the temperature how they share; each is
    fitted to what it decides. The slack has the best mean F1 of the support among 199 quantiles of the scores and 0,
    the temperature the best mean overlap: it is the closed form's best case.

    Arguments:
        scores: a, [P, K].
        passed: the ReLU's output, [P, K].
    """
    some = (passed > 0).any(axis=-1)
    scores, passed = scores[some], passed[some]
    return _fit_slack(scores, passed > 0), _fit_temperature(scores, shares_of(passed))


def _fit_slack(scores: Floats, active: NDArray[np.bool_]) -> float:
    candidates = [0.0, *np.quantile(scores, np.linspace(0, 1, _SLACKS + 2)[1:-1]).tolist()]
    count = active.sum(axis=-1)

    def score(slack: float) -> float:
        chosen = scores > slack
        return float((2 * (chosen & active).sum(axis=-1) / (count + chosen.sum(axis=-1))).mean())

    return max(candidates, key=score)


def _fit_temperature(scores: Floats, shares: Floats) -> float:
    middle = np.log(scores.std())

    def difference(log_temperature: float) -> float:
        return -float(np.minimum(softmax(scores / np.exp(log_temperature), axis=-1), shares).sum(axis=-1).mean())

    found = minimize_scalar(difference, bounds=(middle - _LOG_RANGE, middle + _LOG_RANGE), method="bounded")
    return float(np.exp(found.x))


def _rank_correlation(one: Floats, other: Floats) -> Floats:
    """Spearman's correlation along the last axis, ties at their mean rank; NaN where one is constant."""
    ranks = [rankdata(values, axis=-1) for values in (one, other)]
    first, second = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    return (first * second).sum(axis=-1) / np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
