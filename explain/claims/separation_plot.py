"""The figure of claim 3: a panel a measure, a line a network, from before the block to after it."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from explain.claims.separation import MEASURES
from zoo.reporting import COLORS, STYLE

SPACES = {"before": "before", "after": "after", "mixture": "mixture\nalone"}


def draw(raw: dict[str, Any]) -> Figure:
    """The figure of the raw results of claim 3; bars are 95% bootstrap intervals over images."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3 * len(MEASURES), 2.8), layout="constrained")
        panels = figure.subplots(1, len(MEASURES), squeeze=False)[0]
        for axes, (name, label) in zip(panels, MEASURES.items(), strict=True):
            for (variant, report), color in zip(raw.items(), COLORS, strict=False):
                found = [report["geometry"][space][name] for space in SPACES]
                values = [value for value, _, _ in found]
                errors = [[value - low for value, low, _ in found], [high - value for value, _, high in found]]
                axes.errorbar(range(len(found)), values, errors, fmt="o-", color=color, capsize=3, label=variant)
            axes.set_xticks(range(len(SPACES)), SPACES.values())
            axes.set(title=label, xlim=(-0.3, len(SPACES) - 0.7))
        panels[0].legend()
    return figure
