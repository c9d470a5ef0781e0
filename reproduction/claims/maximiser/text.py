"""Text and tables of claim 1a."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.stats import Estimate
from reproduction.claims.finding import FindingTable, shown
from reproduction.claims.maximiser.agreement import MEASURES
from reproduction.claims.rules.agreement import BARE, CONTENDERS, EQUAL, FITTED, LIMITS, is_above, is_learnt

Facts = dict[str, Any]
"""Measurements at a layer, from `reproduction.claims.maximiser.measure`."""


def finding_text(
    networks: dict[str, list[Facts]], means: dict[str, dict[str, Any]], gains: Mapping[str, Estimate]
) -> str:
    """Text of the finding.

    Arguments:
        networks: layers of the plain networks.
        means: means over the layers, of the untrained networks too.
        gains: advantage over equal shares of the trained network minus that of each untrained one.
    """
    layers = [layer for found in networks.values() for layer in found]
    above = {name: sum(is_above(layer["overlap_above"], name) for layer in layers) for name in (*LIMITS, EQUAL)}
    counts = ", ".join(f"{name} at {count}" for name, count in above.items())
    below = "; ".join(
        f"`{variant}`: {', '.join(names)}"
        for variant, found in networks.items()
        if (names := [f"`{layer['name']}`" for layer in found if not is_above(layer["overlap_above"], EQUAL)])
    )
    slacks = {layer["slack"] for layer in layers}
    slack = "0 at every layer" if slacks == {0} else f"{min(slacks):.2f} to {max(slacks):.2f}"
    temperatures = [layer["temperature"] for layer in layers]
    spread = np.median([layer["effective_templates"] / layer["templates"] for layer in layers])
    support, overlap = ({v: means[v][BARE][measure].value for v in networks} for measure in ("support", "overlap"))
    return (
        f"At {len(layers)} BN-ReLUs, the closed form of BN's output overlaps with the ReLU's output more than "
        f"{counts}. "
        + (f"It is not above equal shares at {below}. " if below else "")
        + f"Its fitted slack is {slack}: BN's shift already is the slack, so support and order of the templates are "
        "the ReLU's by construction; only the shares are a finding. These are similar but not equal: the ReLU is "
        "linear above the slack and drops the rest, the softmax is exponential and drops nothing. "
        f"The best temperatures, {min(temperatures):.2f} to {max(temperatures):.2f} in units of BN's output, are "
        f"far from the 0 of the arg-max: in the median layer, the output is spread over effectively {spread:.0%} of "
        "the templates, so BN-ReLU is soft and picks no winner. One slack and one temperature for all templates of "
        f"BN's input do not suffice: F1 of the support {_by_network(support)}, overlap {_by_network(overlap)}. BN adds "
        f"a slack and a temperature per template. {_learning_text(means, gains)}"
    )


def _learning_text(means: dict[str, dict[str, Any]], gains: Mapping[str, Estimate]) -> str:
    overlaps = ", ".join(f"{means[name][FITTED]['overlap'].value:.2f} (`{name}`)" for name in means)
    learnt = (
        "learning adds to it"
        if is_learnt(gains.values())
        else "the agreement is a property of the operator, not of learning"
    )
    return f"Overlap of the closed form of BN's output with and without training: {overlaps}; by the rule, {learnt}."


def means_table(means: dict[str, dict[str, Any]]) -> FindingTable:
    """Measures of each network and assignment."""
    rows = [
        (f"`{variant}`", name, *(shown(by_name[name][measure]) for measure in MEASURES))
        for variant, by_name in means.items()
        for name in CONTENDERS
    ]
    columns = (("network", "l"), ("assignment", "l"), *((measure, "r") for measure in MEASURES))
    return FindingTable("Means over the layers", columns, tuple(rows))


def layers_table(variant: str, layers: list[Facts]) -> FindingTable:
    """Fits and measurements at each layer of a network."""
    names = ("templates", "passed", "effective", "slack", "temperature", "overlap", EQUAL, "difference")
    rows = [
        (
            f"`{layer['name']}`" + (" *" if layer["after_3x3"] else ""),
            str(layer["templates"]),
            f"{layer['passed']:.0%}",
            f"{layer['effective_templates']:.1f}",
            f"{layer['slack']:.2f}",
            f"{layer['temperature']:.2f}",
            shown(layer["agreement"][FITTED]["overlap"]),
            shown(layer["agreement"][EQUAL]["overlap"]),
            shown(layer["overlap_above"][EQUAL]),
        )
        for layer in layers
    ]
    title = f"`{variant}`, by layer; `effective` is the effective number of templates over which the output is spread"
    starred = (
        f"{title}; * between a 3x3 and a 1x1 convolution" if any(layer["after_3x3"] for layer in layers) else title
    )
    return FindingTable(starred, (("layer", "l"), *((name, "r") for name in names)), tuple(rows))


def _by_network(values: dict[str, float]) -> str:
    return " and ".join(f"{value:.2f} (`{variant}`)" for variant, value in values.items())
