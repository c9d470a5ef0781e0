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
    """Text of the finding, four paragraphs.

    Arguments:
        networks: layers of the plain networks.
        means: means over the layers, of the untrained networks too.
        gains: advantage over equal shares of the trained network minus that of each untrained one.
    """
    layers = [layer for found in networks.values() for layer in found]
    above = {name: sum(is_above(layer["overlap_above"], name) for layer in layers) for name in (*LIMITS, EQUAL)}
    counts = [f"{name} at {count}" for name, count in above.items()]
    below = " and ".join(
        f"{', '.join(names)} of `{variant}`"
        for variant, found in networks.items()
        if (names := [f"`{layer['name']}`" for layer in found if not is_above(layer["overlap_above"], EQUAL)])
    )
    slacks = {layer["slack"] for layer in layers}
    slack = "0 at every layer" if slacks == {0} else f"{min(slacks):.2f} to {max(slacks):.2f}"
    temperatures = [layer["temperature"] for layer in layers]
    spread = np.median([layer["effective_templates"] / layer["templates"] for layer in layers])
    support, overlap = ({v: means[v][BARE][measure].value for v in networks} for measure in ("support", "overlap"))
    compared = (
        "The soft maximiser with slack has a closed form, a softmax over the templates and the slack. Applied to BN's "
        f"output, it overlaps with the ReLU's output more than {', '.join(counts[:-1])} and {counts[-1]} of "
        f"{len(layers)} BN-ReLUs."
    )
    if below:
        compared += f" It does not overlap more than equal shares at {below}."
    shares = (
        f"The fitted slack is {slack}, because BN's shift already acts as the slack. Which templates pass, and in "
        "which order, therefore agrees by construction; only the shares are a finding. They are similar but not equal: "
        "the ReLU is linear above the slack and drops the rest, while the softmax is exponential and drops nothing. "
        f"The best temperatures are {min(temperatures):.2f} to {max(temperatures):.2f} in units of BN's output, far "
        "from the 0 of arg-max. In the median layer, the output is spread over effectively "
        f"{spread:.0%} of the templates: BN-ReLU is soft and does not pick a single winner."
    )
    bare = (
        "One slack and one temperature for all templates are not enough when applied to BN's input: the F1 score of "
        f"the support is {_by_network(support)}, the overlap {_by_network(overlap)}. BN adds a slack and a temperature "
        "for each template."
    )
    return "\n\n".join([compared, shares, bare, _learning_text(means, gains)])


def _learning_text(means: dict[str, dict[str, Any]], gains: Mapping[str, Estimate]) -> str:
    overlaps = ", ".join(f"{means[name][FITTED]['overlap'].value:.2f} (`{name}`)" for name in means)
    learnt = (
        "learning adds to the agreement"
        if is_learnt(gains.values())
        else "the agreement is a property of the operator, not of learning"
    )
    return (
        f"The overlap of the closed form of BN's output, with and without training: {overlaps}. By the rule, {learnt}."
    )


def means_table(means: dict[str, dict[str, Any]]) -> FindingTable:
    """Measures of each network and assignment."""
    rows = [
        (f"`{variant}`", name, *(shown(by_name[name][measure]) for measure in MEASURES))
        for variant, by_name in means.items()
        for name in CONTENDERS
    ]
    columns = (("network", "l"), ("assignment", "l"), *((measure, "r") for measure in MEASURES))
    title = "Means over the layers, with and without training"
    return FindingTable(title, columns, tuple(rows))


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
    title = f"`{variant}`, layer by layer; `effective` is the effective number of templates that share the output"
    if any(layer["after_3x3"] for layer in layers):
        title += "; * between a 3x3 and a 1x1 convolution"
    return FindingTable(title, (("layer", "l"), *((name, "r") for name in names)), tuple(rows))


def _by_network(values: dict[str, float]) -> str:
    return " and ".join(f"{value:.2f} (`{variant}`)" for variant, value in values.items())
