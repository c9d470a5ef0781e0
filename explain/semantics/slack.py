"""Distribution of the slack, and the patch vote without the patches that have much of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explain.semantics.shares import share_chunks
from explain.stats import Estimate, Floats, bootstrap
from zoo.outputs import Array
from zoo.search.image_index import ImageIndex
from zoo.search.patches import Match

THRESHOLDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of `none` above which a patch is ignored; fixed in advance, and all reported."""


class FilteredVote(NamedTuple):
    """Patch vote of each image, without the patches above a threshold."""

    threshold: float
    accuracy: Estimate
    """Share of the images whose label has the largest sum of shares. Images with no patches left fall back to all of
    their patches."""
    change: Estimate
    """Paired difference to the accuracy with all patches."""
    ignored: float
    """Share of ignored patches."""
    undecided: int
    """Number of images with no patches left."""


class Slack(NamedTuple):
    mean: Estimate
    """Mean share of `none` over all patches."""
    by_class: tuple[Estimate, ...]
    """Mean share of `none` over the images of each class, [C]; 0 for a class without images."""
    by_cell: Floats
    """Mean share of `none` at each position of the grid, [h, w]."""
    vote_accuracy: Estimate
    """Accuracy of the vote of all patches."""
    filtered_votes: tuple[FilteredVote, ...]
    highest: tuple[Match, ...]
    """Patches with the largest share of `none`, at most one per image; their distance is 1 - none."""


def measure_slack(index: ImageIndex, seed: int, highest: int) -> Slack:
    """Measure the slack in one pass over the shares of a split."""
    votes: list[NDArray[np.bool_]] = []
    nones: list[Array] = []
    ignored, empty = [], []
    for start, shares in share_chunks(index):
        labels = index.labels[start : start + len(shares)]
        none = shares[..., -1]
        kept = none[None] <= np.array((1.0, *THRESHOLDS), np.float32)[:, None, None]
        ignored.append(np.count_nonzero(~kept, axis=(1, 2)))
        empty.append(np.count_nonzero(~kept.any(axis=2), axis=1))
        kept |= ~kept.any(axis=2, keepdims=True)
        sums = np.einsum("tnp,npc->tnc", kept.astype(np.float32), shares[..., :-1], optimize=True)
        votes.append(sums.argmax(axis=2) == labels)
        nones.append(none)
    none, right = np.concatenate(nones), np.concatenate(votes, axis=1).astype(np.float64)
    of_image, classes = none.mean(axis=1, dtype=np.float64), len(index.header.classes)

    def statistic(counts: Floats) -> Floats:
        total = counts.sum()
        accuracies = right @ counts / total
        sums = np.bincount(index.labels, counts * of_image, classes)
        by_class = sums / np.maximum(np.bincount(index.labels, counts, classes), 1)
        return np.concatenate([[counts @ of_image / total], by_class, accuracies, accuracies - accuracies[0]])

    mean, *rest = bootstrap(statistic, len(index), seed)
    by_class, accuracies = rest[:classes], rest[classes:]
    tried = len(THRESHOLDS) + 1
    shares_ignored = np.sum(ignored, axis=0) / none.size
    undecided = np.sum(empty, axis=0)
    filtered = [
        FilteredVote(threshold, accuracies[t], accuracies[tried + t], float(shares_ignored[t]), int(undecided[t]))
        for t, threshold in enumerate(THRESHOLDS, start=1)
    ]
    by_cell = none.mean(axis=0, dtype=np.float64).reshape(index.grid)
    return Slack(mean, tuple(by_class), by_cell, accuracies[0], tuple(filtered), _highest(index, none, highest))


def _highest(index: ImageIndex, none: Array, count: int) -> tuple[Match, ...]:
    images = np.argsort(-none.max(axis=1), kind="stable")[:count].tolist()
    cells = none[images].argmax(axis=1).tolist()
    columns = index.grid[1]
    return tuple(
        Match(image, cell // columns, cell % columns, 1 - float(none[image, cell]))
        for image, cell in zip(images, cells, strict=True)
    )
