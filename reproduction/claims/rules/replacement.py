"""Rule of claim 1b: a softmax with a slack can replace BN-ReLU."""

from explain.stats import Estimate
from reproduction.claims.finding import Verdict

EXPERIMENT, REPLACED, CONTROL = "softmax", "softmax with slack", "BN-ReLU"
"""Experiment of `reproduction.experiments`, and the titles of its two arms."""

MIN_SEEDS = 4
MARGIN = 1.0
"""Loss of accuracy that is still non-inferior, in percentage points."""

RULE = (
    "`rn26-softmax`, with a softmax with slack in the place of BN-ReLU in all eight 3x3-BN-ReLU-1x1 blocks, against "
    f"`rn26`: both trained from scratch in the experiment `{EXPERIMENT}`, paired by seed. With at least {MIN_SEEDS} "
    "seeds, the claim holds (the softmax is non-inferior) if the lower bound of the paired 95% t-interval of the "
    f"difference in accuracy is above -{MARGIN:g} point, and does not hold if the upper bound is below 0 and the mean "
    f"below -{MARGIN:g} point. Otherwise it is not shown."
)


def verdict(difference: Estimate | None, seeds: int) -> Verdict:
    """Verdict from the accuracy with the softmax minus that with BN-ReLU, in percentage points.

    Arguments:
        difference: mean with its paired t-interval; None with fewer than two seeds.
        seeds: number of pairs.
    """
    if difference is None or seeds < MIN_SEEDS:
        return "not shown"
    if difference.low > -MARGIN:
        return "holds"
    return "does not hold" if difference.high < 0 and difference.value < -MARGIN else "not shown"
