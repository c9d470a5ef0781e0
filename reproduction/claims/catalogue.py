"""The claims of *Feature Embedding by Template Matching as a ResNet Block* (BMVC 2022) and their measurements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from matplotlib.figure import Figure

from reproduction.claims import mixtures, operators, plots, separation, supervision
from reproduction.claims.finding import Finding
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.maximiser import measure as maximiser
from reproduction.claims.maximiser import plot as maximiser_plot


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper."""

    sentence: str
    measure: Callable[[ClaimInputs], Finding]
    """Function that measures the claim, or raises a `ClaimsError`."""
    draw: Callable[[dict[str, Any]], Figure]
    """Function that draws a finding's raw results."""
    figure: str
    """Name of the figure's file, without suffix."""
    caption: str


CLAIMS: Mapping[int, Claim] = MappingProxyType(
    {
        1: Claim(
            "BN-ReLU acts as a soft maximiser with a slack",
            maximiser.measure,
            maximiser_plot.draw,
            "claim1-soft-maximiser",
            "Agreement between the output of BN-ReLU and assignments of the same patches, at each BN-ReLU of two plain "
            "networks. Support: F1 score of the templates with a share above the slack's, against those that the ReLU "
            "passes. Rank: Spearman's correlation over the templates. Mass: the part of an assignment that lies on "
            "templates that the ReLU passes. Overlap: the sum over the templates of the smaller of the two shares. "
            "Bands are 95% intervals. The support of the closed form of BN's output is 1 by construction.",
        ),
        2: Claim(
            "The auxiliary loss with the block beats the auxiliary loss alone",
            supervision.measure,
            plots.draw_supervision,
            "claim2-supervision",
            "Accuracy on the test split, with 95% intervals over images.",
        ),
        3: Claim(
            "Features cluster better after the block than before it, and animals separate from vehicles",
            separation.measure,
            plots.draw_separation,
            "claim3-separation",
            "How well patches of a class cluster before the block, after it, and in the mixture alone, by the measures "
            "of [`zoo semantics`](semantics.md#geometry). Bars are 95% intervals.",
        ),
        4: Claim(
            "New entities arise as mixtures of classes; some patches are discriminative for one class, others generic",
            mixtures.measure,
            plots.draw_mixtures,
            "claim4-entities",
            "Share of patches whose nearest entity has one, two or many classes, with the number of such entities. "
            "[`zoo semantics`](semantics.md#entities) shows each entity with its patches. A mixture of bird and "
            "airplane does not prove that its patches are wings: many lie beside the object.",
        ),
        5: Claim(
            "Inference needs only convolutions, softmax and matrix products",
            operators.measure,
            plots.draw_operators,
            "claim5-operators",
            "Operators that the class logits depend on, without and with the block.",
        ),
    }
)
