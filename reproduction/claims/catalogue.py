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
            "BN-ReLU acts as a soft maximiser with a slack.",
            maximiser.measure,
            maximiser_plot.draw,
            "claim1-soft-maximiser",
            "Output of BN-ReLU compared with assignments of the same patches, at each BN-ReLU of two plain networks: "
            "F1 of the templates that pass, Spearman's correlation over the templates, the part of the shares on "
            "templates that pass, and the overlap of the shares. Bands are 95% intervals. The closed form of BN's "
            "output is at 1 in the first row by construction.",
        ),
        2: Claim(
            "The auxiliary loss with the mechanism beats the auxiliary loss alone.",
            supervision.measure,
            plots.draw_supervision,
            "claim2-supervision",
            "Accuracy on the test split with its 95% interval over images; one seed per network.",
        ),
        3: Claim(
            "Features cluster better after the block than before it, and animals separate from vehicles.",
            separation.measure,
            plots.draw_separation,
            "claim3-separation",
            "How well patches of a class cluster: before the block, after it, and in the mixture alone. Bars are 95% "
            "intervals.",
        ),
        4: Claim(
            "New entities arise as mixtures of classes; some patches are discriminative for one class, others generic.",
            mixtures.measure,
            plots.draw_mixtures,
            "claim4-entities",
            "Share of the patches whose nearest entity has one class, two or many, with the number of such entities. "
            "`zoo semantics` shows each entity with its patches. A mixture of bird and airplane does not prove that "
            "its patches are wings: many are beside the object.",
        ),
        5: Claim(
            "Inference needs only convolution, softmax and matrix product.",
            operators.measure,
            plots.draw_operators,
            "claim5-operators",
            "Operators that the class logits depend on, without and with the block.",
        ),
    }
)
