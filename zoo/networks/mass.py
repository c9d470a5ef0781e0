"""Offset that gives a set of sigmoids a required mean."""

import torch
from torch import Tensor

STEPS = 24
"""Newton steps; each halves the bracket at least, so that scores 1000 apart are solved to 1e-4."""


def solve_mass(scores: Tensor, mass: Tensor, weights: Tensor | None = None) -> Tensor:
    """Offset nu [N] with weighted mean sigmoid(scores + nu) = mass in each row.

    A fixed number of Newton steps from 0, safeguarded by bisection: nothing is read back from the device, and a row
    that already has its mass keeps the offset 0.

    Arguments:
        scores: [N, M], finite.
        mass: [N], in 0..1 without the ends.
        weights: [N, M], non-negative, not all 0 in a row; None for equal weights.
    """
    weights = torch.ones_like(scores) if weights is None else weights
    weights = weights / weights.sum(dim=1, keepdim=True)
    counted = weights > 0
    high = mass.logit() - scores.masked_fill(~counted, torch.inf).amin(dim=1)
    low = mass.logit() - scores.masked_fill(~counted, -torch.inf).amax(dim=1)
    nu = torch.zeros_like(mass).clamp(low, high)
    for _ in range(STEPS):
        shares = (scores + nu[:, None]).sigmoid()
        excess = (weights * shares).sum(dim=1) - mass
        low, high = torch.where(excess < 0, nu, low), torch.where(excess > 0, nu, high)
        slope = (weights * shares * (1 - shares)).sum(dim=1)
        step = nu - excess / slope.clamp(min=torch.finfo(slope.dtype).tiny)
        nu = torch.where((low <= step) & (step <= high), step, (low + high) / 2)
    return nu
