"""The soft maximiser with slack in closed form: `zoo.networks.matching.SlackSoftmax` by its slack and temperature.

The programme of `zoo.networks.matching`, smoothed by an entropy term of weight epsilon,

    max over p, q >= 0 with q + sum_k p_k = 1 of   q mu + sum_k p_k a_k + epsilon (H(p) + H(q)),   H(x) = -sum x log x,

has one solution (Görgün, Gürbüz, Alatan, BMVC 2022):

    p_k = exp(a_k / epsilon) / (exp(mu / epsilon) + sum_j exp(a_j / epsilon)),   q = 1 - sum_k p_k.

`SlackSoftmax` is this with gamma_k = 1 / epsilon and beta_k = -mu / epsilon for every template. Nothing here imports
torch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.errors import InputError


class Assigned(NamedTuple):
    """An assignment to K templates, which sums to 1 together with the slack."""

    shares: NDArray[np.float64]
    """[..., K], the share p of each template."""
    none: NDArray[np.float64]
    """[...], the share q of the slack."""


def soft_maximiser(scores: ArrayLike, slack: float, temperature: float) -> Assigned:
    """The assignment that solves the programme above.

    Arguments:
        scores: a, [..., K] with K >= 1, finite.
        slack: mu, the score that a template must beat. At -inf there is no slack: the plain softmax, q = 0.
        temperature: epsilon >= 0, finite. At 0 the best of templates and slack has share 1, divided equally among ties,
        which is the limit of the closed form.

    Returns:
        Shares in double precision; large scores and small temperatures cause neither overflow nor NaN.

    Raises:
        InputError: there are no templates, or an argument is out of range.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not scores.ndim or not scores.shape[-1] or not np.isfinite(scores).all():
        raise InputError(f"scores of shape {list(scores.shape)}: expected finite values of shape [..., K] with K >= 1")
    if not slack < np.inf:
        raise InputError(f"slack = {slack}: expected a number, or -inf for none")
    if not 0 <= temperature < np.inf:
        raise InputError(f"temperature = {temperature}: must be finite and at least 0")
    entries = np.concatenate([scores, np.full_like(scores[..., :1], slack)], axis=-1)
    # Overflow yields -inf, whose share is 0 as intended.
    with np.errstate(over="ignore", under="ignore"):
        below = entries - entries.max(axis=-1, keepdims=True)
        weights = np.exp(below / temperature) if temperature else (below == 0).astype(np.float64)
        shares = weights / weights.sum(axis=-1, keepdims=True)
    return Assigned(shares[..., :-1], shares[..., -1])
