"""Pictures that no camera takes: their features are far from those of photographs, where rounding may go wrong."""

import numpy as np

from zoo.images.preprocess import Pixels


def challenges(size: int) -> Pixels:
    """All black, all white, noise, noise of only black and white, and one white pixel: pixels [5, 3, size, size]."""
    random = np.random.default_rng(0)
    shape = (3, size, size)
    hot = np.zeros(shape, np.uint8)
    hot[:, size // 2, size // 2] = 255
    return np.stack(
        [
            np.zeros(shape, np.uint8),
            np.full(shape, 255, np.uint8),
            random.integers(0, 256, shape, np.uint8),
            255 * random.integers(0, 2, shape, np.uint8),
            hot,
        ]
    )
