"""Figures of claims 2 to 5, from their raw results."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from reproduction.claims.mixtures import KINDS
from reproduction.claims.operators import PAIRS
from reproduction.claims.separation import MEASURES
from reproduction.plan import FAMILIES
from zoo.reporting import COLORS, STYLE

LABELS = ("plain", "auxiliary loss", "with the block")

SPACES = {"before": "before", "after": "after", "mixture": "mixture\nalone"}

BAR = 0.38
"""Height of a bar in a group of two; rows are 1 apart."""


def draw_supervision(raw: dict[str, Any]) -> Figure:
    """Accuracy of each network, one panel per family; bars are 95% bootstrap intervals over images."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4 * len(FAMILIES), 2.6), layout="constrained")
        panels = figure.subplots(1, len(FAMILIES), sharey=True, squeeze=False)[0]
        for axes, family in zip(panels, FAMILIES, strict=True):
            for place, (variant, color) in enumerate(zip(family, COLORS, strict=False)):
                value, low, high = raw["accuracy"][variant]
                errors = [[value - low], [high - value]]
                axes.errorbar(place, value, errors, fmt="o", color=color, capsize=3, markersize=5)
                axes.annotate(f"{value:.2f}", (place, value), (8, 0), textcoords="offset points", va="center")
            axes.set_xticks(range(len(family)), [f"{v}\n{label}" for v, label in zip(family, LABELS, strict=True)])
            axes.set(xlim=(-0.4, len(family) - 0.4))
            axes.grid(visible=False, axis="x")
        panels[0].set_ylabel("accuracy, %")
    return figure


def draw_separation(raw: dict[str, Any]) -> Figure:
    """One panel per measure, one line per network, from before to after the block, with 95% bootstrap intervals."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3 * len(MEASURES), 3), layout="constrained")
        panels = figure.subplots(1, len(MEASURES), squeeze=False)[0]
        for axes, (name, label) in zip(panels, MEASURES.items(), strict=True):
            for (variant, report), color in zip(raw.items(), COLORS, strict=False):
                found = [report["geometry"][space][name] for space in SPACES]
                values = [value for value, _, _ in found]
                errors = [[value - low for value, low, _ in found], [high - value for value, _, high in found]]
                axes.errorbar(range(len(found)), values, errors, fmt="o-", color=color, capsize=3, label=variant)
            axes.set_xticks(range(len(SPACES)), SPACES.values())
            axes.set(title=label, xlim=(-0.3, len(SPACES) - 0.7))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(raw), frameon=False)
    return figure


def draw_mixtures(raw: dict[str, Any]) -> Figure:
    """One bar per network, divided by kind of entity."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.7 + 0.6 * len(raw)), layout="constrained")
        axes = figure.add_subplot()
        for place, entities in enumerate(raw.values()):
            left = 0.0
            for (kind, label), color in zip(KINDS.items(), COLORS, strict=False):
                found = entities["kinds"].get(kind, {"entities": 0, "frequency": 0.0})
                width = 100 * found["frequency"]
                bar = axes.barh(place, width, 0.6, left, color=color, label=label if place == 0 else None)
                axes.bar_label(bar, [found["entities"]], label_type="center", color="white")
                left += width
        axes.set_yticks(range(len(raw)), raw)
        axes.set(xlim=(0, 100), xlabel="share of patches, % (in the bars: number of entities)")
        axes.grid(visible=False)
        axes.invert_yaxis()
        figure.legend(loc="outside upper center", ncols=len(KINDS), frameon=False)
    return figure


def draw_operators(raw: dict[str, Any]) -> Figure:
    """Number of occurrences of each operator in the exported networks, without and with the block."""
    counts = raw["operators"]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4 * len(PAIRS), 3.2), layout="constrained")
        panels = figure.subplots(1, len(PAIRS), squeeze=False)[0]
        for axes, pair in zip(panels, PAIRS, strict=True):
            names = sorted({name for variant in pair for name in counts[variant]})
            for shift, variant, color in zip((-BAR / 2, BAR / 2), pair, COLORS, strict=False):
                numbers = [counts[variant].get(name, 0) for name in names]
                heights = [place + shift for place in range(len(names))]
                bars = axes.barh(heights, numbers, BAR, color=color, label=variant)
                axes.bar_label(bars, padding=2, fontsize=7)
            axes.set_yticks(range(len(names)), names)
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
            axes.set_xlabel("operators that the class logits depend on")
            axes.legend(frameon=False, loc="lower right")
    return figure
