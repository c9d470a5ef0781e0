"""Means over images with their bootstrap intervals."""

import numpy as np
from numpy.typing import NDArray

from explain.bootstrap import Estimate, bootstrap


def mean_estimates(values: NDArray[np.floating], seed: int) -> list[Estimate]:
    """The mean of several quantities, each with its interval; of one seed and number of images they are paired.

    Arguments:
        values: [N, M], a row an image; NaN where an image has no value, which leaves it out. Every quantity needs one.
        seed: of the resamples.
    """
    there = np.isfinite(values).astype(np.float64)
    filled = np.nan_to_num(values)
    means = filled.sum(axis=0) / there.sum(axis=0)

    def statistic(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        images = counts @ there
        # A resample without any image that has a value says nothing new.
        return np.where(images > 0, (counts @ filled) / np.maximum(images, 1), means)

    return bootstrap(statistic, len(values), seed)


def mean_estimate(values: NDArray[np.floating], seed: int) -> Estimate:
    """As `mean_estimates`, for one quantity [N]."""
    [estimate] = mean_estimates(values[:, None], seed)
    return estimate
