"""Calibration of class probabilities: is an answer of 90 % right in nine of ten images?"""

import numpy as np
from numpy.typing import NDArray

BINS = 15
RESAMPLES = 1000

Floats = NDArray[np.float64]


def calibration_error(confidence: Floats, correct: Floats) -> float:
    """Expected calibration error in percentage points: mean over bins of |accuracy - mean confidence|.

    Bins of equal mass: 15 parts of the images in the order of their confidence (fewer for fewer images). With bins of
    equal width, most would be almost empty for a confident network.

    Arguments:
        confidence: probability of the most probable class, [N].
        correct: 1 where that is the label, else 0, [N].
    """
    order = np.argsort(confidence, kind="stable")
    return _error(confidence[order], correct[order])


def calibration_estimate(confidence: Floats, correct: Floats, seed: int = 0) -> tuple[float, float, float]:
    """Expected calibration error with its 95% bootstrap interval over images.

    A resample has the error of its own noise too, so the interval is somewhat high for few images.
    """
    order = np.argsort(confidence, kind="stable")
    confidence, correct = confidence[order], correct[order]
    generator = np.random.default_rng(seed)
    drawn = (np.sort(generator.integers(len(order), size=len(order))) for _ in range(RESAMPLES))
    low, high = np.quantile([_error(confidence[images], correct[images]) for images in drawn], [0.025, 0.975])
    return _error(confidence, correct), float(low), float(high)


def _error(confidence: Floats, correct: Floats) -> float:
    """Expected calibration error of images in the order of their confidence."""
    count = len(confidence)
    starts = np.linspace(0, count, min(BINS, count), endpoint=False).astype(np.int64)
    gaps = np.add.reduceat(correct - confidence, starts)
    return float(100 * np.abs(gaps).sum() / count)
