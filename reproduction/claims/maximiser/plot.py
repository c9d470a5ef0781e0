"""Figure of claim 1a: four measures of agreement by layer, one column per network; lines mark the start of a stage."""

from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reproduction.claims.rules.agreement import BARE, EQUAL, FITTED
from zoo.reporting import COLORS, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = {
    FITTED: (COLORS[0], "-"),
    BARE: (COLORS[1], "-"),
    "arg-max": (COLORS[3], "--"),
    "plain softmax": (COLORS[2], "--"),
    "permuted templates": ("#888888", ":"),
    EQUAL: (COLORS[4], "-."),
}
"""Colour and line of each assignment."""

PANELS = {
    "support": "F1 of the support",
    "rank": "rank correlation",
    "mass": "share on passing templates",
    "overlap": "overlap of shares",
}

UNTRAINED = ", untrained "
"""Between a variant and the seed in the name of an untrained network; the figure has the first of them."""

PANEL_WIDTH, PANEL_HEIGHT = 3.4, 1.9


def draw(raw: dict[str, Any]) -> Figure:
    """Figure of the raw results of claim 1a; bands are 95% bootstrap intervals over images."""
    networks = {name: layers for name, layers in raw["layers"].items() if name.partition(UNTRAINED)[2] in ("", "0")}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(PANEL_WIDTH * len(networks), PANEL_HEIGHT * len(PANELS) + 1), layout="constrained")
        grid = figure.subplots(len(PANELS), len(networks), sharex="col", sharey="row", squeeze=False)
        for row, (measure, label) in zip(grid, PANELS.items(), strict=True):
            row[0].set_ylabel(label)
            for axes, layers in zip(row, networks.values(), strict=True):
                _draw_panel(axes, layers, measure)
        for axes, variant in zip(grid[0], networks, strict=True):
            axes.set_title(variant)
        for axes in grid[-1]:
            axes.set_xlabel("BN-ReLU, from input to head")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _draw_panel(axes: "Axes", layers: list[dict[str, Any]], measure: str) -> None:
    places = range(1, len(layers) + 1)
    for name, (color, line) in LINES.items():
        # No interval where the measure is undefined.
        found = [layer["agreement"][name][measure] or [float("nan")] * 3 for layer in layers]
        values, lows, highs = zip(*found, strict=True)
        axes.fill_between(places, lows, highs, color=color, alpha=0.25, linewidth=0)
        axes.plot(places, values, line, color=color, linewidth=1.4, label=name)
    stages = [layer["name"].removeprefix("stages.").partition(".")[0] for layer in layers]
    for place in range(1, len(stages)):
        if stages[place] != stages[place - 1]:
            axes.axvline(place + 0.5, color="#bbbbbb", linewidth=0.8)
    axes.set(ylim=(-0.05 if measure == "rank" else 0, 1.03), xlim=(0.5, len(layers) + 0.5))
