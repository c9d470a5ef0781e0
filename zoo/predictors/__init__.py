"""What answers for a model: pixels in, arrays out, whatever computes between them. Nothing here imports torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.package import ModelConfig

Array = NDArray[np.float32]

OUTPUTS = ("logits", "patch_logits", "assignment")
"""Names of a prediction's arrays, also in ONNX files; variants without the block have no `assignment`."""


class Prediction(NamedTuple):
    """A model's answer for N pictures; C classes on an h x w patch grid."""

    logits: Array
    """[N, C]"""
    patch_logits: Array
    """[N, C, h, w]"""
    assignment: Array | None
    """[N, C + 1, h, w], `none` last; None where the variant has no block."""

    def rows(self, start: int, stop: int) -> "Prediction":
        """The answer for some of the pictures."""
        assignment = None if self.assignment is None else self.assignment[start:stop]
        return Prediction(self.logits[start:stop], self.patch_logits[start:stop], assignment)

    @staticmethod
    def join(parts: Sequence["Prediction"]) -> "Prediction":
        """One answer from the answers for consecutive pictures."""
        assignments = [part.assignment for part in parts if part.assignment is not None]
        return Prediction(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.patch_logits for part in parts]),
            np.concatenate(assignments) if assignments else None,
        )


class Predictor(Protocol):
    """A model that is ready to answer."""

    @property
    def config(self) -> ModelConfig:
        """The model's identity."""

    @property
    def device(self) -> str:
        """What computes, for people to read."""

    def __call__(self, pixels: Pixels) -> Prediction:
        """Answer for pixels [N, 3, H, W] of the model's input size; N may be anything from 1 up."""


def predict_in_parts(predict: Callable[[Pixels], Prediction], pixels: Pixels, size: int) -> Prediction:
    """Answer for any number of pictures, at most `size` of them at once."""
    parts = [predict(pixels[start : start + size]) for start in range(0, len(pixels), size)]
    return parts[0] if len(parts) == 1 else Prediction.join(parts)


def check_pixels(pixels: Pixels, config: ModelConfig, where: str | Path) -> None:
    """Raise `InputError` unless pixels are uint8 [N, 3, S, S] for a model's input size S."""
    size = config.input_size
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (3, size, size) or not len(pixels):
        raise InputError(
            f"{where} takes uint8 pixels [N, 3, {size}, {size}] with N >= 1, got {pixels.dtype} {list(pixels.shape)}"
        )
