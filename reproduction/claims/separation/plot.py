"""Figure of claims 3a and 3b."""

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from reproduction.claims.separation.family import PLACES
from reproduction.claims.separation.measure import LABELS
from zoo.reporting import COLORS, STYLE


def draw(raw: dict[str, Any]) -> Figure:
    """One panel per measure, one colour per family, with 95% intervals."""
    measures = list(next(iter(raw.values()))["differences"])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * len(measures) + 0.4, 3), layout="constrained")
        panels = figure.subplots(1, len(measures), squeeze=False)[0]
        for axes, measure in zip(panels, measures, strict=True):
            for number, ((name, family), color) in enumerate(zip(raw.items(), COLORS, strict=False)):
                found = [family["values"][place][measure] for place in PLACES]
                values = [value for value, _, _ in found]
                # A percentile interval of few images need not contain its value.
                below = [max(value - low, 0) for value, low, _ in found]
                above = [max(high - value, 0) for value, _, high in found]
                places = [place + 0.16 * (number - 0.5) for place in range(len(PLACES))]
                axes.errorbar(places, values, [below, above], fmt="o", color=color, capsize=3, markersize=4, label=name)
            axes.set_xticks(range(len(PLACES)), [place.replace(", ", "\n") for place in PLACES])
            axes.set(title=LABELS[measure], xlim=(-0.5, len(PLACES) - 0.5))
            axes.grid(visible=False, axis="x")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(raw), frameon=False)
    return figure
