"""Intervals over images: patches of one image are alike, so that it is images that are drawn again."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95


class Estimate(NamedTuple):
    """A number with its bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap(statistic: Callable[[Floats], ArrayLike], images: int, seed: int) -> list[Estimate]:
    """Percentile intervals of a statistic over images (B. Efron, *Bootstrap Methods*, 1979).

    Arguments:
        statistic: numbers [K] from how often each image counts, [N].
        images: N.
        seed: of the resamples; the same one draws the same images, so that numbers of one statistic are paired.

    Returns:
        One estimate for each number, with a 95% interval.
    """
    generator = np.random.default_rng(seed)
    drawn = (np.bincount(generator.integers(images, size=images), minlength=images) for _ in range(RESAMPLES))
    values = np.array([statistic(counts.astype(np.float64)) for counts in drawn])
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    found = np.asarray(statistic(np.ones(images)), dtype=np.float64)
    return [Estimate(*map(float, three)) for three in zip(found, low, high, strict=True)]
