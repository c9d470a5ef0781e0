"""Figures of a report: the confusion matrix, and the training by epoch. matplotlib is imported late."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.report.measured import Measured
from zoo.reporting import COLORS, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CLASSES = 100
"""Largest number of classes that are drawn: those with the most mistakes."""
MAX_NUMBERED = 25
"""Largest number of classes for which the cells have numbers."""
MAX_NAME = 24
"""Largest number of characters of a name."""
MIN_WIDTH = 5.0
"""Smallest width of the confusion matrix in inches, for its title."""

RIGHT, WRONG = (0.0, 0.447, 0.698), (0.835, 0.369, 0.0)


def draw_confusion(measured: Measured) -> "Figure":
    """Draw the confusion matrix: one row per true class, one column per predicted class.

    The colour of a cell is the share of its row, by the square root so that rare confusions are visible.
    """
    import matplotlib
    from matplotlib.figure import Figure

    shown = _shown(measured)
    matrix = _matrix(measured, shown)
    names = [_shortened(measured.classes[index]) for index in shown]
    total = measured.count[shown]
    share = np.sqrt(matrix / np.maximum(total, 1)[:, None])
    colours = np.where(np.eye(len(shown), dtype=bool)[:, :, None], RIGHT, WRONG)
    side = float(np.clip(9 / len(shown), 0.17, 0.5)) * len(shown)
    size = 9 if len(shown) <= MAX_NUMBERED else 7
    with matplotlib.rc_context(STYLE | {"font.size": size, "axes.grid": False}):
        figure = Figure(figsize=(max(side + 2, MIN_WIDTH), side + 2.4), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(1 - share[:, :, None] * (1 - colours), interpolation="nearest")
        axes.set_xticks(range(len(shown)), names, rotation=90)
        axes.set_yticks(range(len(shown)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        # Lines between the cells, so that rows and columns can be followed.
        axes.set_xticks(np.arange(0.5, len(shown) - 1), minor=True)
        axes.set_yticks(np.arange(0.5, len(shown) - 1), minor=True)
        axes.grid(which="minor", color="#e4e4e4", linewidth=0.5)
        axes.tick_params(which="minor", length=0)
        if len(shown) <= MAX_NUMBERED:
            for row, column in np.argwhere(matrix):
                colour = "#ffffff" if share[row, column] > 0.7 else "#202124"
                text = f"{matrix[row, column]:,}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
        axes.set(xlabel="predicted class", ylabel="true class")
        selected = "" if len(shown) == len(measured.classes) else f"\nthe {len(shown)} classes with the most mistakes"
        colours_mean = "blue: right, orange: wrong; darker: more of the row"
        figure.suptitle(f"{_title(measured)}{selected}\n{colours_mean}", fontsize=9)
    return figure


def draw_history(measured: Measured) -> "Figure":
    """Draw accuracy and loss by epoch, on the training images and on those measured after each epoch."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    lines = [("", "training images, augmented", COLORS[0], "--")]
    if "validation_accuracy" in measured.history[-1]:
        lines.append(("validation_", "images not trained on", COLORS[1], "-"))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.4), layout="constrained")
        for number, (metric, title, scale) in enumerate((("accuracy", "accuracy, %", 100), ("loss", "loss", 1)), 1):
            axes = figure.add_subplot(1, 2, number)
            for prefix, label, colour, style in lines:
                entries = [entry for entry in measured.history if prefix + metric in entry]
                epochs = [entry["epoch"] for entry in entries]
                values = [scale * entry[prefix + metric] for entry in entries]
                axes.plot(epochs, values, style, color=colour, marker="o", markersize=2.5, label=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.set(xlabel="epoch", ylabel=title)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        figure.suptitle(measured.title, fontsize=9)
    return figure


def _title(measured: Measured) -> str:
    return (
        f"{measured.title}: {measured.answers.right.mean():.2%} of {len(measured.answers.labels):,} "
        f"{measured.split} images"
    )


def _shown(measured: Measured) -> NDArray[np.int64]:
    """Indices of the classes to draw, in their order."""
    wrong = measured.count - measured.right
    return np.sort(np.argsort(-wrong, kind="stable")[:MAX_CLASSES])


def _matrix(measured: Measured, shown: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of images by true and predicted class, for some of the classes."""
    place = np.full(len(measured.classes), -1)
    place[shown] = np.arange(len(shown))
    true, predicted = place[measured.answers.labels], place[measured.answers.predicted]
    inside = (true >= 0) & (predicted >= 0)
    counts = np.bincount(true[inside] * len(shown) + predicted[inside], minlength=len(shown) ** 2)
    return counts.reshape(len(shown), len(shown))


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
