"""Plots of recorded runs: our accuracy against the paper's, and accuracy by epoch. matplotlib is imported late."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reproduction.records import Group, Record, grouped, mean_and_deviation
from zoo.files import write_atomically
from zoo.registry import info, list_models
from zoo.reporting import COLORS, STYLE, svg

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {"plain": (":", "o"), "aux": ("--", "s"), "residual": ("-", "^"), "concat": ("-.", "D")}
"""Line style and marker of a variant, by mechanism."""

ACCURACY_TICKS = (0, 20, 40, 60, 70, 80, 90, 95, 98, 99, 100)

PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 4.2, 3.6, 2


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
    """One panel per data set and training, one point per group: the paper's accuracy on x, ours on y. None if the paper
    has none of them."""

    def draw(axes: "Axes", groups: Sequence[Group]) -> None:
        ends = []
        for group in groups:
            paper = _paper_accuracy(group)
            assert paper is not None
            color, _, marker = _look(group)
            mean, deviation = mean_and_deviation(group.accuracies)
            axes.errorbar(
                paper, mean, deviation, fmt=marker, color=color, markersize=5, capsize=2.5, linewidth=1,
                label=group.first.variant,
            )  # fmt: skip
            ends += [paper, mean - (deviation or 0), mean + (deviation or 0)]
        low, high = min(ends) - 0.5, max(ends) + 0.5
        axes.plot([low, high], [low, high], color="#999999", linewidth=1)
        axes.set(xlim=(low, high), ylim=(low, high), box_aspect=1, xlabel="the paper, %", ylabel="ours, %")
        axes.locator_params(nbins=5)

    return _panels([group for group in groups if _paper_accuracy(group) is not None], draw)


def draw_curves(groups: Sequence[Group]) -> "Figure | None":
    """One panel per data set and training, one curve per variant. None if there are no groups."""

    def draw(axes: "Axes", groups: Sequence[Group]) -> None:
        from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

        # Logarithmic in the error, or the ends of the curves would overlap.
        axes.set_yscale("function", functions=(_height_of_accuracy, _accuracy_of_height))
        axes.yaxis.set_major_locator(FixedLocator(ACCURACY_TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for group in groups:
            color, line, marker = _look(group)
            epochs = group.first.training.history["epoch"]
            columns = [record.training.history["accuracy"] for record in group.records]
            means = [100 * statistics.fmean(values) for values in zip(*columns, strict=False)]
            few = marker if len(epochs) < 20 else ""
            axes.plot(epochs, means, color=color, linestyle=line, marker=few, markersize=2.5, label=group.first.variant)
        axes.set(xlabel="epoch", ylabel="accuracy, %", xmargin=0.02)

    return _panels(groups, draw)


def _height_of_accuracy(percent: np.ndarray) -> np.ndarray:
    """Height of an accuracy: logarithmic in the error, shifted so that 100% is finite."""
    return -np.log(np.maximum(101 - percent, 1e-9))


def _accuracy_of_height(height: np.ndarray) -> np.ndarray:
    return 101 - np.exp(-height)


def _paper_accuracy(group: Group) -> float | None:
    return info(group.first.variant).paper_accuracy.get(group.first.data)


def _training(group: Group) -> str:
    first = group.first
    return " ".join(filter(None, [first.training.recipe_name, f"{first.epochs} epochs"]))


def _look(group: Group) -> tuple[str, str, str]:
    """Colour of a variant's family; line style and marker of its mechanism."""
    families = list(dict.fromkeys(name.partition("-")[0] for name in list_models()))
    color = COLORS[families.index(group.first.variant.partition("-")[0]) % len(COLORS)]
    return color, *LINES[info(group.first.variant).mechanism]


def _panels(groups: Sequence[Group], draw: "Callable[[Axes, Sequence[Group]], None]") -> "Figure | None":
    """A figure with a panel for each data set and training, in rows of up to `COLUMNS`, and one legend of variants."""
    if not groups:
        return None
    import matplotlib
    from matplotlib.figure import Figure

    panels: dict[tuple[str, str], list[Group]] = {}
    for group in sorted(groups, key=lambda group: (group.first.data, group.first.epochs, _training(group))):
        panels.setdefault((group.first.data, _training(group)), []).append(group)
    columns = min(len(panels), COLUMNS)
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(PANEL_WIDTH * columns, PANEL_HEIGHT * rows + 0.5), layout="constrained")
        handles: dict[str, Artist] = {}
        for index, (title, shown) in enumerate(panels.items(), start=1):
            axes = figure.add_subplot(rows, columns, index, title=", ".join(title))
            draw(axes, shown)
            found, variants = axes.get_legend_handles_labels()
            handles |= dict(zip(variants, found, strict=True))
        order = sorted(handles, key=list_models().index)
        shown_handles = [handles[variant] for variant in order]
        figure.legend(shown_handles, order, loc="outside upper center", ncols=3 * columns, frameon=False)
    return figure
