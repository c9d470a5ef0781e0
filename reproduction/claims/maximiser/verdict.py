"""Assignments compared for claim 1, and its verdict."""

from typing import Any

from reproduction.claims.finding import Verdict

FITTED, BARE, EQUAL = "closed form of BN's output", "closed form of BN's input", "equal shares of passing templates"
LIMITS = ("arg-max", "plain softmax", "permuted templates")
CONTENDERS = (FITTED, BARE, *LIMITS, EQUAL)
"""Assignments of the same patches; see `reproduction.claims.maximiser.measure`."""

RULE = (
    "The claim holds if, at every BN-ReLU of the plain networks, the closed form of BN's output overlaps with the "
    "ReLU's output more than arg-max, plain softmax, permuted templates and equal shares of passing templates do, with "
    "the interval of each difference above 0. It holds in part if it overlaps more than the first three at one or more "
    "layers; otherwise it does not hold."
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
