"""The figure of claim 5: how often each operator stands in the exported networks, without and with the block."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from explain.claims.operators import PAIRS
from zoo.reporting import COLORS, STYLE

BAR = 0.38


def draw(raw: dict[str, Any]) -> Figure:
    """The figure of the raw results of claim 5."""
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
            axes.set_xlabel("operators that the class logits need")
            axes.legend(frameon=False, loc="lower right")
    return figure
