"""Figure of claim 4."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from reproduction.claims.mixtures.occurrences import SOURCES
from reproduction.claims.rules.entities import MEASURES
from zoo.reporting import COLORS, STYLE

LABELS = {"ours": "ours", "plain": "plain network's class activation maps", "Dirichlet": "Dirichlet"}


def draw(raw: dict[str, Any]) -> Figure:
    """One panel per measure; one row per network and mixture, one colour per source, with 95% intervals."""
    rows = [(name, mixture) for name, family in raw.items() for mixture in family["values"]]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 1 + 0.55 * len(rows)), layout="constrained")
        panels = figure.subplots(1, len(MEASURES), sharey=True, squeeze=False)[0]
        for axes, (measure, label) in zip(panels, MEASURES.items(), strict=True):
            for number, (source, color) in enumerate(zip(SOURCES, COLORS, strict=False)):
                found = [raw[name]["values"][mixture][measure][source] for name, mixture in rows]
                values = [value for value, _, _ in found]
                below = [max(value - low, 0) for value, low, _ in found]
                above = [max(high - value, 0) for value, _, high in found]
                heights = [place + 0.22 * (number - 1) for place in range(len(rows))]
                axes.errorbar(
                    values, heights, xerr=[below, above], fmt="o", color=color, capsize=2, markersize=4,
                    label=LABELS[source],
                )  # fmt: skip
            axes.set_xlabel(label)
            axes.grid(visible=False, axis="y")
        panels[0].set_yticks(range(len(rows)), [f"{name}\n{mixture}" for name, mixture in rows])
        panels[0].invert_yaxis()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure
