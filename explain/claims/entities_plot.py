"""The figure of claim 4: a bar a network, parted by the kinds of its entities."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from explain.claims.entities import KINDS
from zoo.reporting import COLORS, STYLE


def draw(raw: dict[str, Any]) -> Figure:
    """The figure of the raw results of claim 4."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.7 + 0.6 * len(raw)), layout="constrained")
        axes = figure.add_subplot()
        for place, entities in enumerate(raw.values()):
            left = 0.0
            for (kind, label), color in zip(KINDS.items(), COLORS, strict=False):
                found = entities["kinds"].get(kind, {"entities": 0, "frequency": 0.0})
                width = 100 * found["frequency"]
                axes.barh(place, width, 0.6, left, color=color, label=label if place == 0 else None)
                axes.text(left + width / 2, place, found["entities"], ha="center", va="center", color="white")
                left += width
        axes.set_yticks(range(len(raw)), raw)
        axes.set(xlim=(0, 100), xlabel="share of the patches, %; in the bars: entities")
        axes.grid(visible=False)
        axes.invert_yaxis()
        figure.legend(loc="outside upper center", ncols=len(KINDS))
    return figure
