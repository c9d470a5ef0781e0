"""Rule of claim 3b: animals separate from vehicles after the block."""

from collections.abc import Iterable, Mapping

from explain.stats import Estimate
from reproduction.claims.finding import Verdict
from reproduction.claims.rules.clusters import RIVALS
from reproduction.claims.rules.parts import exceeds_all, verdict_of_parts

ALPHA = 0.05
"""Level of the permutation test."""

RULE = (
    "The contrast is the mean cosine distance between the mean patch features of classes of different groups, minus "
    "that within the groups. A family passes if the contrast in the output of the block is above that of both the "
    "plain network and the network with only the auxiliary loss at the same place, with the interval of each "
    "difference above 0, and above that of permuted groups (exact test over all groupings of the classes into two "
    f"groups of the same sizes, p < {ALPHA}). The claim holds if both families pass, and in part if one does; "
    "otherwise it does not hold."
)


def passes(differences: Mapping[str, Estimate], p: float) -> bool:
    """Whether a family passes.

    Arguments:
        differences: contrast in the output of the block minus that of each rival, by rival.
        p: share of the groupings, including this one, with at least this contrast in the output of the block.
    """
    return set(differences) == set(RIVALS) and exceeds_all(differences) and p < ALPHA


def verdict(families: Iterable[tuple[Mapping[str, Estimate], float]]) -> Verdict:
    """Verdict from the differences and the p of every family."""
    return verdict_of_parts(passes(*family) for family in families)
