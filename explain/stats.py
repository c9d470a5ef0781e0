"""Bootstrap intervals. Images are resampled rather than patches, since the patches of an image are correlated."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

Floats = NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE_LEVEL = 0.95


class Estimate(NamedTuple):
    """Estimate with its 95% interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> "Estimate":
        """The estimate with the four decimals that records keep."""
        return Estimate(*(round(number, 4) for number in self))


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
    return _estimates(np.asarray(statistic(np.ones(images)), dtype=np.float64), values)


def bootstrap_repeats(
    statistic: Callable[[Floats, NDArray[np.int64]], ArrayLike],
    images: int,
    repeats: int,
    kinds: int,
    seed: int,
    resamples: int = RESAMPLES,
) -> list[Estimate]:
    """Percentile bootstrap intervals over images and over the seeds of random procedures, such as k-means.

    Arguments:
        statistic: function from the number of times that each image is drawn, [N], and the repeat of each procedure
        that is drawn, [kinds], to K numbers.
        images: number of images, N.
        repeats: number of repeats of each procedure, with different seeds.
        kinds: number of procedures, whose repeats are drawn independently.
        seed: seed of the resamples.
        resamples: number of resamples of N images and of one repeat per procedure.

    Returns:
        K estimates; their values are the means over the repeats for all images.
    """
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        counts = np.bincount(generator.integers(images, size=images), minlength=images).astype(np.float64)
        values.append(statistic(counts, generator.integers(repeats, size=kinds)))
    everything = np.ones(images)
    found = np.array([statistic(everything, np.full(kinds, repeat)) for repeat in range(repeats)], np.float64)
    return _estimates(found.mean(axis=0), np.array(values))


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


def proportion_estimate(successes: NDArray[np.bool_], seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Share of successes [N] over images.

    Where all images succeed, or none, no resample differs, and a bootstrap interval has zero width; it is then the
    exact one of C. Clopper and E. Pearson (*The Use of Confidence or Fiducial Limits*, 1934).
    """
    count = int(successes.sum())
    if 0 < count < len(successes):
        return mean_estimate(successes.astype(np.float64), seed, resamples)
    exact = binomtest(count, len(successes)).proportion_ci(CONFIDENCE_LEVEL, method="exact")
    return Estimate(count / len(successes), float(exact.low), float(exact.high))


def _estimates(found: Floats, values: Floats) -> list[Estimate]:
    """Estimates of K numbers from their values [K] and those of R resamples [R, K]."""
    low, high = np.quantile(values, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2], axis=0)
    return [Estimate(*map(float, three)) for three in zip(found, low, high, strict=True)]
