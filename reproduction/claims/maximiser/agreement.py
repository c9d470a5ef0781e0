"""Agreement of BN-ReLU's output with an assignment of the same patch, over the templates."""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import entr, softmax
from scipy.stats import ConstantInputWarning, spearmanrho

from zoo.soft_maximiser import Assigned

Floats = NDArray[np.float64]

MEASURES = ("support", "rank", "mass", "overlap")
"""`support`: F1 of the templates whose share is above the slack's, against those that the ReLU passes.
`rank`: Spearman's correlation of the shares and the ReLU's output, over all templates.
`mass`: the part of the templates' shares on those that the ReLU passes.
`overlap`: the sum of the smaller of the two shares, 1 minus their total variation."""

_SLACKS = 199
_LOG_RANGE = 5.0
"""Search range of temperatures, in powers of e around the scores' standard deviation."""


def agreement(passed: Floats, assigned: Assigned) -> Floats:
    """The `MEASURES` of each patch, [..., 4]; NaN where they are undefined, as where the ReLU passes nothing.

    The ReLU's output is compared as shares of its sum. It has no share for the slack: what BN-ReLU drops is lost. So
    the slack is compared by what it drops (`support`), and the shares only among the templates.

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
    """The ReLU's output as shares of its sum, [..., K]; NaN where nothing passes."""
    with np.errstate(invalid="ignore"):
        return passed / passed.sum(axis=-1, keepdims=True)


def effective_templates(passed: Floats) -> Floats:
    """Effective number of templates [...]: the exponential of the shares' entropy, 1 to K."""
    return np.exp(entr(shares_of(passed)).sum(axis=-1))


def fit(scores: Floats, passed: Floats) -> tuple[float, float]:
    """Fit the slack and temperature at which the assignment of scores is most similar to BN-ReLU's output.

    The slack determines which templates beat it, p_k > q where a_k > mu, and the temperature how they share; each is
    fitted to that. The slack has the best mean F1 of the support among 199 quantiles of the scores and 0, the
    temperature the best mean overlap: the best case for the closed form.

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
    with warnings.catch_warnings(category=ConstantInputWarning, action="ignore"):
        return spearmanrho(one, other, axis=-1).statistic
