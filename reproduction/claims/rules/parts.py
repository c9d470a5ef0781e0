"""Verdict on a claim with several parts."""

from collections.abc import Iterable, Mapping

from explain.stats import Estimate
from reproduction.claims.finding import Verdict


def exceeds_all(differences: Mapping[str, Estimate]) -> bool:
    """Whether every difference has its interval above 0; False without any difference."""
    return bool(differences) and all(difference.low > 0 for difference in differences.values())


def verdict_of_parts(parts: Iterable[bool]) -> Verdict:
    """`holds` if every part passed, `holds in part` if some did, otherwise `does not hold`."""
    passed = list(parts)
    if passed and all(passed):
        return "holds"
    return "holds in part" if any(passed) else "does not hold"
