"""The claims of *Feature Embedding by Template Matching as a ResNet Block* (BMVC 2022) and their measurements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from matplotlib.figure import Figure

from reproduction.claims import order, paired, replacement
from reproduction.claims.finding import Finding
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.maximiser import measure as maximiser
from reproduction.claims.maximiser import plot as maximiser_plot
from reproduction.claims.mixtures import measure as mixtures
from reproduction.claims.mixtures import plot as mixtures_plot
from reproduction.claims.rules import agreement, clusters, entities, groups
from reproduction.claims.rules import order as order_rule
from reproduction.claims.rules import replacement as replacement_rule
from reproduction.claims.separation import measure as separation
from reproduction.claims.separation import plot as separation_plot


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper."""

    sentence: str
    rule: str
    """Criterion of the verdict, from `reproduction.claims.rules`."""
    measure: Callable[[ClaimInputs], Finding]
    """Function that measures the claim, or raises a `ClaimsError`."""
    draw: Callable[[dict[str, Any]], Figure]
    """Function that draws a finding's raw results."""
    figure: str
    """Name of the figure's file, without suffix."""
    caption: str


CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        "1a": Claim(
            "BN-ReLU acts as a soft maximiser with a slack",
            agreement.RULE,
            maximiser.measure,
            maximiser_plot.draw,
            "claim1a-soft-maximiser",
            "Agreement between the output of BN-ReLU and assignments of the same patches, at each BN-ReLU of two plain "
            "networks, trained and untrained. Support: F1 score of the templates with a share above the slack's, "
            "against those that the ReLU passes. Rank: Spearman's correlation over the templates. Mass: the part of an "
            "assignment that lies on templates that the ReLU passes. Overlap: the sum over the templates of the "
            "smaller of the two shares. Bands are 95% intervals. The support of the closed form of BN's output is 1 by "
            "construction.",
        ),
        "1b": Claim(
            "A softmax with a slack can replace BN-ReLU",
            replacement_rule.RULE,
            replacement.measure,
            paired.draw,
            "claim1b-replacement",
            "Accuracy with the softmax minus accuracy with BN-ReLU, in percentage points: each seed (dots), and their "
            "mean with its paired 95% t-interval.",
        ),
        "2": Claim(
            "The auxiliary loss with the block beats the auxiliary loss alone, which beats the plain network",
            order_rule.RULE,
            order.measure,
            paired.draw,
            "claim2-order",
            "Differences in accuracy, in percentage points: each seed (dots), and their mean with its paired 95% "
            "t-interval. The first two decide.",
        ),
        "3a": Claim(
            "Features cluster better by class after the block",
            clusters.RULE,
            separation.measure_clusters,
            separation_plot.draw,
            "claim3a-clusters",
            "How well patches of a class cluster, in the features that enter the last stage: without the block (plain, "
            "aux), and at the input and output of the block. Bars are 95% intervals over images and seeds of k-means.",
        ),
        "3b": Claim(
            "Animals separate from vehicles after the block",
            groups.RULE,
            separation.measure_groups,
            separation_plot.draw,
            "claim3b-groups",
            "Distance of the mean features of classes between animals and vehicles minus that within them, at the same "
            "places. Bars are 95% intervals over images.",
        ),
        "4": Claim(
            "New entities arise as mixtures of classes",
            entities.RULE,
            mixtures.measure,
            mixtures_plot.draw,
            "claim4-entities",
            "Share of the patches nearest to an entity that is a named mixture, and its enrichment in images of its "
            "classes (1: as frequent as these images), with the shares of the block and of both nulls. Bars are 95% "
            "intervals over images and seeds.",
        ),
    }
)
