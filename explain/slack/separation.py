"""Separation of background from object by a score: the area under the ROC curve, cell by cell of the patch grid.

Within a cell, the scores of different images are compared, so that a map that depends only on the place has 0.5.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from explain.stats import Floats


def area_by_cell(scores: NDArray[np.floating], covered: NDArray[np.bool_]) -> Callable[[Floats], float]:
    """Function from the number of times that each image counts, [N], to the mean area under the ROC curve.

    The area of a cell is the probability that a score on background is above one on the object, ties counting half.
    Cells are weighted by their number of pairs.

    Arguments:
        scores: [N, h, w], expected to be higher on background.
        covered: [N, h, w], whether the patch shows the object.
    """
    flat = scores.reshape(len(scores), -1).astype(np.float64)
    order = np.argsort(flat, axis=0, kind="stable")
    ranked = np.take_along_axis(flat, order, axis=0)
    objects = np.take_along_axis(covered.reshape(flat.shape), order, axis=0)
    new = np.vstack([np.ones((1, flat.shape[1]), bool), ranked[1:] != ranked[:-1]])
    row = np.arange(len(flat))[:, None]
    first = np.maximum.accumulate(np.where(new, row, 0), axis=0)
    last_of_group = np.vstack([new[1:], np.ones((1, flat.shape[1]), bool)])
    last = np.minimum.accumulate(np.where(last_of_group, row, len(flat))[::-1], axis=0)[::-1]

    def area(counts: Floats) -> float:
        weights = counts[order]
        of_objects, of_background = weights * objects, weights * ~objects
        below = np.vstack([np.zeros((1, flat.shape[1])), np.cumsum(of_objects, axis=0)])
        lower = np.take_along_axis(below, first, axis=0)
        up_to = np.take_along_axis(below, last + 1, axis=0)
        won = (of_background * (lower + up_to) / 2).sum()
        return float(won / (of_objects.sum(axis=0) * of_background.sum(axis=0)).sum())

    return area
