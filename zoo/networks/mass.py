"""Offset that gives a set of sigmoids a required mean, and its derivative."""

from typing import Any

import torch
from torch import Tensor

STEPS = 24
"""Newton steps; each halves the bracket at least, so that scores 1000 apart are solved to 1e-4."""


def solve_mass(scores: Tensor, mass: Tensor, weights: Tensor | None = None, steps: int = STEPS) -> Tensor:
    """Offset nu [N] with weighted mean sigmoid(scores + nu) = mass in each row.

    A fixed number of Newton steps from 0, safeguarded by bisection: nothing is read back from the device, and a row
    that already has its mass keeps the offset 0.

    Arguments:
        scores: [N, M], finite.
        mass: [N], in 0..1 without the ends.
        weights: [N, M], non-negative, not all 0 in a row; None for equal weights.
        steps: number of Newton steps.

    Scores that are not finite have the offset NaN, in their rows alone.
    """
    if weights is None:
        share: Tensor | float = 1 / scores.shape[1]
        low, high = mass.logit() - scores.amax(dim=1), mass.logit() - scores.amin(dim=1)
    else:
        share = weights / weights.sum(dim=1, keepdim=True)
        counted = share > 0
        high = mass.logit() - scores.masked_fill(~counted, torch.inf).amin(dim=1)
        low = mass.logit() - scores.masked_fill(~counted, -torch.inf).amax(dim=1)
    nu = torch.zeros_like(mass).clamp(low, high)
    for _ in range(steps):
        shares = (scores + nu[:, None]).sigmoid()
        excess = (share * shares).sum(dim=1) - mass
        low, high = torch.where(excess < 0, nu, low), torch.where(excess > 0, nu, high)
        slope = (share * shares * (1 - shares)).sum(dim=1)
        step = nu - excess / slope.clamp(min=torch.finfo(slope.dtype).tiny)
        nu = torch.where((low <= step) & (step <= high), step, (low + high) / 2)
    return nu


KEPT_STEPS = 12
"""Newton steps of `kept_shares`: enough for scores 80 apart, and few enough to be written out in an ONNX file."""


def kept_shares(scores: Tensor, mass: Tensor) -> Tensor:
    """Shares sigmoid(scores + nu) [N, M], where nu gives each row the mean `mass`; differentiable in the scores.

    Arguments:
        scores: [N, M].
        mass: scalar, in 0..1 without the ends.
    """
    return _KeptShares.apply(scores, mass)


class _KeptShares(torch.autograd.Function):
    """With slopes s = a (1 - a) of the shares a, the constraint fixes d nu = -sum_j s_j dl_j / sum_j s_j, so that

        dL/dl_k = s_k (g_k - sum_j s_j g_j / sum_j s_j)   for g = dL/da.

    The derivative is exact where the constraint holds, whichever steps led there.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, mass: Tensor) -> Tensor:
        # Newton starts from the solution for equal scores, the mean of these.
        centred = scores - scores.mean(dim=1, keepdim=True) + mass.logit()
        nu = solve_mass(centred, mass.expand_as(scores[:, 0]), steps=KEPT_STEPS)
        shares = (centred + nu[:, None]).sigmoid()
        ctx.save_for_backward(shares)
        return shares

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        [shares], [gradient] = ctx.saved_tensors, gradients
        slopes = shares * (1 - shares)
        total = slopes.sum(dim=1, keepdim=True).clamp(min=torch.finfo(slopes.dtype).tiny)
        mean = (slopes * gradient).sum(dim=1, keepdim=True) / total
        return slopes * (gradient - mean), None
