"""Plots of recorded runs: our accuracy against the paper's, and accuracy by epoch. matplotlib is imported late."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reproduction.records import Group, Record, grouped, mean_and_deviation
from zoo.files import write_atomically
from zoo.registry import DATA_SETS, info, list_models
from zoo.reporting import COLORS, STYLE, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {"plain": ":", "aux": "--", "residual": "-", "concat": "-."}
"""Line style of a variant's curve, by mechanism."""

ACCURACY_TICKS = (0, 20, 40, 60, 70, 80, 90, 95, 98, 99, 100)

PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 5.2, 4.2, 3


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot in the results."""

    file: str
    """Name of the file."""
    title: str
    caption: str


COMPARISON = Plot(
    "results.svg",
    "Ours against the paper's",
    "Accuracy on the test split, ours against the paper's. Points on the line match the paper; bars are ± one "
    "standard deviation over seeds.",
)
CURVES = Plot(
    "results-curves.svg",
    "Accuracy by epoch",
    "Accuracy on the augmented training images by epoch, averaged over seeds. Dotted lines are plain networks, dashed "
    "lines those with patch supervision alone. The curves jump where the input size increases. The vertical axis is "
    "logarithmic in the error.",
)


def write_plots(folder: Path, records: Iterable[Record]) -> list[Plot]:
    """Write the plots for which there are runs, as SVG.

    Arguments:
        folder: output folder.
        records: records of runs; those on held-out images are not shown.

    Returns:
        The plots written.
    """
    groups = [group for group in grouped(records) if not group.first.held_out]
    groups.sort(key=lambda group: list_models().index(group.first.variant))
    written = []
    for plot, figure in ((COMPARISON, draw_comparison(groups)), (CURVES, draw_curves(groups))):
        if figure is not None:
            write_atomically(folder / plot.file, svg(figure, "zoo reproduce"))
            written.append(plot)
    return written


def draw_comparison(groups: Sequence[Group]) -> "Figure | None":
    """One panel per data set, one point per group: the paper's accuracy on x, ours on y. None if there are no
    groups."""
    panels: dict[str, list[tuple[Group, float]]] = {}
    for group in groups:
        paper = info(group.first.variant).paper_accuracy.get(group.first.data)
        if paper is not None:
            panels.setdefault(group.first.data, []).append((group, paper))

    def draw(axes: "Axes", data: str) -> None:
        points = panels[data]
        color = COLORS[list(DATA_SETS).index(data)]
        trainings = list(dict.fromkeys(_training(group) for group, _ in points))
        ends, labels = [paper for _, paper in points], []
        for group, paper in points:
            mean, deviation = mean_and_deviation(group.accuracies)
            axes.errorbar(paper, mean, deviation, fmt="o", color=color, markersize=5, capsize=2.5, linewidth=1)
            ends += [mean - (deviation or 0), mean + (deviation or 0)]
            text = [group.first.variant, *([_training(group)] if len(trainings) > 1 else [])]
            labels.append((", ".join(text), paper, mean, color))
        low, high = min(ends) - 0.5, max(ends) + 0.5
        axes.plot([low, high], [low, high], color="#999999", linewidth=1)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="the paper, %", ylabel="ours, %")
        axes.set_title(data if len(trainings) > 1 else f"{data}, {trainings[0]}")
        label_at_the_side(axes, labels)

    return _panels([data for data in DATA_SETS if data in panels], draw)


def draw_curves(groups: Sequence[Group]) -> "Figure | None":
    """One panel per data set and training, one curve per variant. None if there are no groups."""
    panels: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        panels.setdefault((group.first.data, _training(group)), []).append(group)
    families = list(dict.fromkeys(name.partition("-")[0] for name in list_models()))

    def draw(axes: "Axes", panel: tuple[str, str]) -> None:
        from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

        # Logarithmic in the error, or the ends of the curves would overlap.
        axes.set_yscale("function", functions=(_height_of_accuracy, _accuracy_of_height))
        axes.yaxis.set_major_locator(FixedLocator(ACCURACY_TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        labels = []
        for group in panels[panel]:
            variant = group.first.variant
            color = COLORS[families.index(variant.partition("-")[0]) % len(COLORS)]
            epochs = group.first.training.history["epoch"]
            columns = [record.training.history["accuracy"] for record in group.records]
            means = [100 * statistics.fmean(values) for values in zip(*columns, strict=False)]
            few = "o" if len(epochs) < 20 else ""
            axes.plot(epochs, means, color=color, linestyle=LINES[info(variant).mechanism], marker=few, markersize=2.5)
            labels.append((variant, epochs[-1], means[-1], color))
        axes.set(title=", ".join(panel), xlabel="epoch", ylabel="accuracy, %", xmargin=0.02)
        label_at_the_side(axes, labels)

    return _panels(sorted(panels, key=lambda panel: (panel[0], panels[panel][0].first.epochs, panel[1])), draw)


def label_at_the_side(axes: "Axes", labels: Sequence[tuple[str, float, float, str]]) -> None:
    """Label points at the right of a panel, without overlaps, each with a thin line to its point.

    Arguments:
        axes: the axes, with their final limits.
        labels: text, x and y of the point, colour.
    """
    to_panel = axes.transData + axes.transAxes.inverted()
    placed = sorted((float(to_panel.transform((x, y))[1]), text, x, y, color) for text, x, y, color in labels)
    heights = spread([height for height, *_ in placed], min(0.055, 1 / len(placed)))
    for (_, text, x, y, color), height in zip(placed, heights, strict=True):
        line = {"arrowstyle": "-", "color": color, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            text, (x, y), (1.06, height), textcoords="axes fraction", va="center", color=color, arrowprops=line
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights in 0..1, moved apart to at least `gap` with minimal changes."""

    def within(middle: float, count: int) -> float:
        half = gap * count / 2
        return min(max(middle, half), 1 - half)

    clusters: list[tuple[float, int]] = []  # sum and number of heights, which are centred on their mean
    for height in heights:
        total, count = height, 1
        while clusters:
            below, more = clusters[-1]
            if within(total / count, count) - within(below / more, more) >= gap * (count + more) / 2:
                break
            clusters.pop()
            total, count = total + below, count + more
        clusters.append((total, count))
    return [
        within(total / count, count) + gap * (index - (count - 1) / 2)
        for total, count in clusters
        for index in range(count)
    ]


def _height_of_accuracy(percent: np.ndarray) -> np.ndarray:
    """Height of an accuracy: logarithmic in the error, shifted so that 100% is finite."""
    return -np.log(np.maximum(101 - percent, 1e-9))


def _accuracy_of_height(height: np.ndarray) -> np.ndarray:
    return 101 - np.exp(-height)


def _training(group: Group) -> str:
    first = group.first
    return " ".join(filter(None, [first.training.recipe_name, f"{first.epochs} epochs"]))


def _panels(keys: Sequence[Any], draw: "Callable[[Axes, Any], None]") -> "Figure | None":
    """A figure with a panel for each key, in rows of up to `COLUMNS`."""
    if not keys:
        return None
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(len(keys), COLUMNS)
    rows = -(-len(keys) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(PANEL_WIDTH * columns, PANEL_HEIGHT * rows), layout="constrained")
        for index, key in enumerate(keys, start=1):
            draw(figure.add_subplot(rows, columns, index), key)
    return figure
