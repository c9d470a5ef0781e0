"""The figure of claim 2: the accuracy of each network, a panel a family."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from explain.claims.supervision import FAMILIES
from zoo.reporting import COLORS, STYLE

LABELS = ("plain", "auxiliary loss", "with the mechanism")


def draw(raw: dict[str, Any]) -> Figure:
    """The figure of the raw results of claim 2; bars are 95% bootstrap intervals over images."""
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
