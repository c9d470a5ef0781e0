"""Assignments compared for claim 1, and its verdict."""

from typing import Any

from reproduction.claims.finding import Verdict

FITTED, BARE, EQUAL = "closed form of BN's output", "closed form of BN's input", "equal shares of passing templates"
LIMITS = ("arg-max", "plain softmax", "permuted templates")
CONTENDERS = (FITTED, BARE, *LIMITS, EQUAL)
"""Assignments of the same patches; see `reproduction.claims.maximiser.measure`."""

RULE = (
    "The claim holds if, at every BN-ReLU of the plain networks, the shares of the closed form of BN's output overlap "
    "with the ReLU's output more than those of both limits, of permuted templates and of equal shares of passing "
    "templates, with the interval of each difference above 0. It holds in part if the closed form is above the limits "
    "and permuted templates at one layer or more; otherwise it does not hold."
)


def above(layer: dict[str, Any], *names: str) -> bool:
    """Whether the closed form of BN's output has significantly more overlap than others at a layer."""
    return all(layer["overlap_above"][name].low > 0 for name in names)


def verdict(networks: dict[str, list[dict[str, Any]]]) -> Verdict:
    """Verdict by the rule, from the layers of the plain networks."""
    layers = [layer for found in networks.values() for layer in found]
    if all(above(layer, *LIMITS, EQUAL) for layer in layers):
        return "holds"
    return "holds in part" if any(above(layer, *LIMITS) for layer in layers) else "does not hold"
