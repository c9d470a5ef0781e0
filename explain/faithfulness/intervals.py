"""95% bootstrap intervals of means."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean with its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: NDArray[np.floating], seed: int = 0) -> Interval:
    """The mean of values [N], one an image, with the percentiles 2.5 and 97.5 of the means of resampled images."""
    generator = np.random.default_rng(seed)
    count = len(values)
    weights = (generator.multinomial(count, np.full(count, 1 / count)) for _ in range(RESAMPLES))
    means = np.fromiter((weight @ values for weight in weights), dtype=np.float64, count=RESAMPLES) / count
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))
