"""Bootstrap intervals. Images are resampled rather than patches, since the patches of an image are correlated."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE_LEVEL = 0.95


class Estimate(NamedTuple):
    """Estimate with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[Floats], ArrayLike], images: int, seed: int, resamples: int = RESAMPLES
) -> list[Estimate]:
    """Percentile bootstrap intervals of a statistic over images (B. Efron, *Bootstrap Methods*, 1979).

    Arguments:
        statistic: function from the number of times that each image is drawn, [N], to K numbers.
        images: number of images, N.
        seed: seed of the resamples, which are the same for all K numbers, so that these are paired.
        resamples: number of resamples of N images.

    Returns:
        K estimates.
    """
    # scipy.stats.bootstrap makes the same resamples, but refuses a single image.
    generator = np.random.default_rng(seed)
    drawn = (np.bincount(generator.integers(images, size=images), minlength=images) for _ in range(resamples))
    values = np.array([statistic(counts.astype(np.float64)) for counts in drawn])
    low, high = np.quantile(values, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2], axis=0)
    found = np.asarray(statistic(np.ones(images)), dtype=np.float64)
    return [Estimate(*map(float, three)) for three in zip(found, low, high, strict=True)]


def mean_estimates(values: NDArray[np.floating], seed: int, resamples: int = RESAMPLES) -> list[Estimate]:
    """Means of M paired quantities over images.

    Arguments:
        values: [N, M], one row per image; NaN where an image has no value. Every quantity needs at least one value.
        seed: seed of the resamples.
        resamples: number of resamples of N images.
    """
    present = np.isfinite(values).astype(np.float64)
    filled = np.nan_to_num(values).astype(np.float64)
    means = filled.sum(axis=0) / present.sum(axis=0)

    def statistic(counts: Floats) -> Floats:
        images = counts @ present
        # A resample without any values falls back to the mean over all images.
        return np.where(images > 0, (counts @ filled) / np.maximum(images, 1), means)

    return bootstrap(statistic, len(values), seed, resamples)


def mean_estimate(values: NDArray[np.floating], seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Mean of one quantity [N] over images; see `mean_estimates`."""
    [estimate] = mean_estimates(values[:, None], seed, resamples)
    return estimate
