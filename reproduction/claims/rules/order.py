"""Rule of claim 2: plain < aux < ours."""

from collections.abc import Mapping

from explain.stats import Estimate
from reproduction.claims.finding import Verdict

EXPERIMENT = "feedback"
PLAIN, AUX, OURS = "plain", "aux", "ours"
"""Titles of the experiment's arms that decide the verdict; its other arms are controls."""
STEPS = ((OURS, AUX), (AUX, PLAIN))
"""Pairs of arms whose difference is to be above 0."""

MIN_SEEDS = 4

RULE = (
    f"Accuracies of the experiment `{EXPERIMENT}`, paired by seed. With at least {MIN_SEEDS} seeds of both differences "
    "(ours minus aux, aux minus plain), the claim does not hold if the paired 95% t-interval of ours minus aux is "
    "wholly below 0, whatever the other. It holds if both intervals are above 0, and in part if one is. Otherwise it "
    "is not shown."
)

Step = tuple[str, str]


def verdict(differences: Mapping[Step, Estimate | None], seeds: Mapping[Step, int]) -> Verdict:
    """Verdict from the differences of `STEPS`.

    Arguments:
        differences: means with their paired t-intervals, in percentage points; None with fewer than two seeds.
        seeds: numbers of pairs.
    """
    found = {step: differences[step] for step in STEPS if seeds[step] >= MIN_SEEDS}
    known = {step: difference for step, difference in found.items() if difference is not None}
    if len(known) < len(STEPS):
        return "not shown"
    if known[OURS, AUX].high < 0:
        return "does not hold"
    above = sum(difference.low > 0 for difference in known.values())
    return "holds" if above == len(STEPS) else "holds in part" if above else "not shown"
