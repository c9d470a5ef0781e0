"""Rule of claim 1a: BN-ReLU acts as a soft maximiser with a slack."""

from collections.abc import Iterable, Mapping, Sequence

from explain.stats import Estimate
from reproduction.claims.finding import Verdict
from reproduction.claims.rules.parts import exceeds_all

NETWORKS = ("rn26", "wrn16")
"""Plain networks that decide the verdict."""

FITTED, BARE, EQUAL = "closed form of BN's output", "closed form of BN's input", "equal shares of passing templates"
LIMITS = ("arg-max", "plain softmax", "permuted templates")
CONTENDERS = (FITTED, BARE, *LIMITS, EQUAL)
"""Assignments of the same patches; see `reproduction.claims.maximiser.measure`."""

UNTRAINED_SEEDS = 2
"""Number of untrained networks per plain network."""
STATISTICS_IMAGES = 1024
"""Number of training images, passed in training mode, that set the BN statistics of an untrained network."""

RULE = (
    "The claim holds if, at every BN-ReLU of the plain networks, the shares of the closed form of BN's output overlap "
    "with the ReLU's output more than those of both limits, of permuted templates and of equal shares of passing "
    "templates, with the interval of each difference above 0. It holds in part if the closed form is above the limits "
    "and permuted templates at one layer or more; otherwise it does not hold. Beside them, untrained networks are "
    f"measured ({UNTRAINED_SEEDS} per plain network: random weights, and the BN statistics of {STATISTICS_IMAGES:,} "
    "training images passed in training mode). The agreement is a property of the operator, not of learning, unless "
    "the overlap of the closed form minus that of equal shares, averaged over the layers, is higher in each plain "
    "network than in every untrained one, with the interval of each difference above 0."
)


def is_above(differences: Mapping[str, Estimate], *rivals: str) -> bool:
    """Whether the closed form of BN's output has significantly more overlap than rivals at a layer."""
    return exceeds_all({rival: differences[rival] for rival in rivals})


def verdict(layers: Sequence[Mapping[str, Estimate]]) -> Verdict:
    """Verdict from the layers of the plain networks: overlap of the closed form minus that of each rival, by rival."""
    if layers and all(is_above(layer, *LIMITS, EQUAL) for layer in layers):
        return "holds"
    return "holds in part" if any(is_above(layer, *LIMITS) for layer in layers) else "does not hold"


def is_learnt(gains: Iterable[Estimate]) -> bool:
    """Whether learning adds to the agreement.

    Arguments:
        gains: overlap of the closed form minus that of equal shares, averaged over the layers, of a trained network
            minus the same of an untrained one, for every pair.
    """
    lows = [gain.low for gain in gains]
    return bool(lows) and min(lows) > 0
