"""Figures of a report: SVG in the colour of the page's text, and a PNG map."""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from scipy.cluster.hierarchy import dendrogram

from explain.semantics.class_vectors import Hierarchy
from explain.semantics.geometry import Geometry, SpaceQuality
from explain.semantics.slack import Slack
from explain.semantics.study import PatchStudy
from zoo.cutouts import cut_out_pixels
from zoo.reporting import STYLE
from zoo.semantic_map import class_colour

TEXT_COLOUR = "#010101"
"""Placeholder for the colour of the surrounding text; no other part of a figure has this colour."""
RULE = "#80808066"
BLUE, ORANGE = class_colour(0), class_colour(1)

QUALITY_LABELS = {"knn_accuracy": "kNN accuracy", "silhouette": "silhouette", "nmi": "mutual information"}
SPACE_LABELS = {"before": "before the block", "after": "after the block", "mixture": "mixture of class vectors"}

THUMBNAILS = 90
"""Number of randomly sampled patches shown on the map."""

_STYLE = STYLE | {
    "text.color": TEXT_COLOUR,
    "axes.edgecolor": TEXT_COLOUR,
    "axes.labelcolor": TEXT_COLOUR,
    "xtick.color": TEXT_COLOUR,
    "ytick.color": TEXT_COLOUR,
    "grid.color": RULE,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


def quality_figure(geometry: Geometry) -> str:
    """Plot the quality of the spaces: one panel per measure, one point with its interval per space."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(8, 1.9), layout="constrained")
        spaces = list(geometry.qualities)
        for number, measure in enumerate(SpaceQuality._fields, start=1):
            axes = figure.add_subplot(1, 3, number)
            found = [getattr(geometry.qualities[space], measure) for space in spaces]
            heights = range(len(spaces))
            axes.hlines(heights, [one.low for one in found], [one.high for one in found], color=BLUE, linewidth=2)
            axes.plot([one.value for one in found], heights, "o", color=BLUE, markersize=5)
            axes.set_yticks(heights, [SPACE_LABELS[space] for space in spaces] if number == 1 else [""] * len(spaces))
            axes.set(ylim=(len(spaces) - 0.5, -0.5), xlim=(min(0, *(one.low for one in found)), 1))
            axes.set_title(QUALITY_LABELS[measure], fontsize=9)
        return _svg(figure)


def hierarchy_figure(tree: Hierarchy, classes: Sequence[str]) -> str:
    """Plot the dendrogram of the class vectors."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 0.9 + 0.22 * len(classes)), layout="constrained")
        axes = figure.add_subplot()
        dendrogram(
            tree.linkage, orientation="left", labels=list(classes), ax=axes, color_threshold=0,
            above_threshold_color=BLUE, leaf_font_size=9,
        )  # fmt: skip
        axes.grid(visible=False, axis="y")
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xlabel("cosine distance")
        return _svg(figure)


def slack_figure(slack: Slack) -> str:
    """Plot the accuracy of the patch vote by threshold."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        axes = figure.add_subplot()
        places = [one.threshold for one in slack.filtered_votes]
        accuracy = np.array([one.accuracy for one in slack.filtered_votes]) * 100
        _band(axes, places, accuracy, BLUE, "without patches above the threshold")
        _band(
            axes,
            [places[0], places[-1]],
            np.array([slack.vote_accuracy, slack.vote_accuracy]) * 100,
            ORANGE,
            "all patches",
        )
        axes.set(xlabel="threshold of none", ylabel="accuracy of the vote, %", xscale="log")
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.set_xticks([], minor=True)
        axes.legend(frameon=False, loc="lower right")
        return _svg(figure)


def map_figure(study: PatchStudy) -> bytes:
    """Plot the t-SNE maps as PNG: one panel per space, one point per patch in the colour of its class, and some
    thumbnails.
    """
    sample, chosen = study.measured.sample, study.patch_map.chosen
    labels = sample.label[chosen]
    colours = [class_colour(label) for label in labels.tolist()]
    shown = np.random.default_rng(study.seed).choice(len(chosen), min(THUMBNAILS, len(chosen)), replace=False)
    pixels, columns = study.measured.images.images.numpy(), study.measured.grid[1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6 * len(study.patch_map.positions), 6), layout="constrained")
        for number, (space, places) in enumerate(study.patch_map.positions.items(), start=1):
            axes = figure.add_subplot(1, len(study.patch_map.positions), number)
            axes.scatter(places[:, 0], places[:, 1], s=5, c=colours, linewidths=0)
            for point in shown.tolist():
                patch = chosen[point]
                place = divmod(int(sample.cell[patch]), columns)
                cut = cut_out_pixels(pixels[sample.image[patch]], study.measured.grid, place, 1, 22, frame=False)
                x, y = places[point].tolist()
                edge = {"edgecolor": colours[point], "linewidth": 1.2}
                axes.add_artist(
                    AnnotationBbox(OffsetImage(np.asarray(cut), zoom=0.6), (x, y), pad=0.08, bboxprops=edge)
                )
            axes.set(xticks=[], yticks=[])
            axes.set_title(SPACE_LABELS[space])
            axes.axis("off")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100, facecolor="#ffffff", metadata={"Software": None})
    return buffer.getvalue()


def _band(axes: Axes, places: Sequence[float], numbers: np.ndarray, colour: str, label: str) -> None:
    axes.fill_between(places, numbers[:, 1], numbers[:, 2], color=colour, alpha=0.25, linewidth=0)
    axes.plot(places, numbers[:, 0], "o-", color=colour, markersize=4, label=label)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(TEXT_COLOUR, "currentColor")
