"""Rule of claim 3a: features cluster better by class after the block."""

from collections.abc import Iterable, Mapping

from explain.stats import Estimate
from reproduction.claims.finding import Verdict
from reproduction.claims.rules.parts import exceeds_all, verdict_of_parts

RIVALS = ("plain", "aux")
"""Networks without the block, at the same place: the features that enter the last stage."""

MEASURES = {"knn_accuracy": "accuracy of the nearest patches", "silhouette": "silhouette", "nmi": "mutual information"}
"""Measures of how well patches cluster by the class of their image, with readable names."""

CLUSTER_SEEDS = 10
"""Number of k-means seeds. Each resample of the images draws one for each network, so that they are in the interval."""

RULE = (
    "A measure passes in a family if the output of the block is above the features of both the plain network and the "
    "network with only the auxiliary loss at the same place, with the interval of each difference above 0. The claim "
    f"holds if all three measures ({', '.join(MEASURES.values())}) pass in both families, and in part if one does in "
    "one family; otherwise it does not hold. Intervals are over images and, for the mutual information, over "
    f"{CLUSTER_SEEDS} seeds of k-means, drawn for each network and resample."
)


def passes(differences: Mapping[str, Estimate]) -> bool:
    """Whether a measure passes in a family, given its differences to both rivals, by rival."""
    return set(differences) == set(RIVALS) and exceeds_all(differences)


def verdict(parts: Iterable[Mapping[str, Estimate]]) -> Verdict:
    """Verdict from the differences to the rivals, by rival, for every measure in every family."""
    return verdict_of_parts(map(passes, parts))
