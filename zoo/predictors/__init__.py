"""Predictors, the common interface of all runtimes: pixels in, arrays out. Nothing here imports torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.outputs import ASSIGNMENT, EMBEDDING, LOGITS, PATCH_LOGITS, Array, Output
from zoo.package import ModelConfig


class Prediction(Mapping[str, NDArray[Any]]):
    """Outputs of a model for N images, by name.

    Arguments:
        outputs: declarations of the outputs.
        arrays: arrays in the same order, with the images along the first axis.
    """

    __slots__ = ("_arrays", "outputs")

    def __init__(self, outputs: Sequence[Output], arrays: Sequence[NDArray[Any]]) -> None:
        self.outputs = tuple(outputs)
        self._arrays = {output.name: array for output, array in zip(outputs, arrays, strict=True)}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def logits(self) -> Array:
        """Class logits [N, C]."""
        return self._arrays[LOGITS.name]

    @property
    def patch_logits(self) -> Array:
        """Class logits of each patch [N, C, h, w]."""
        return self._arrays[PATCH_LOGITS.name]

    @property
    def assignment(self) -> Array | None:
        """Share of each class in each patch [N, C + 1, h, w], `none` last; None for variants without the block."""
        return self._arrays.get(ASSIGNMENT.name)

    @property
    def embedding(self) -> Array | None:
        """Embeddings [N, D], what the classifier sees; None for ONNX files exported by earlier versions."""
        return self._arrays.get(EMBEDDING.name)

    def rows(self, start: int, stop: int) -> "Prediction":
        """The prediction for some of the images."""
        return Prediction(self.outputs, [array[start:stop] for array in self._arrays.values()])

    @staticmethod
    def join(parts: Sequence["Prediction"]) -> "Prediction":
        """One prediction from those for consecutive images."""
        outputs = parts[0].outputs
        return Prediction(outputs, [np.concatenate([part[output.name] for part in parts]) for output in outputs])


class Predictor(Protocol):
    """A model that is ready for inference."""

    @property
    def config(self) -> ModelConfig:
        """The model's identity."""

    @property
    def device(self) -> str:
        """Human-readable name of runtime and device."""

    def __call__(self, pixels: Pixels) -> Prediction:
        """The prediction for pixels [N, 3, H, W] of the model's input size, N >= 1."""


def predict_in_parts(predict: Callable[[Pixels], Prediction], pixels: Pixels, size: int) -> Prediction:
    """The prediction for any number of images, computed in batches of at most `size`."""
    parts = [predict(pixels[start : start + size]) for start in range(0, len(pixels), size)]
    return parts[0] if len(parts) == 1 else Prediction.join(parts)


def check_pixels(pixels: Pixels, config: ModelConfig) -> None:
    """Raise `InputError` unless pixels are uint8 [N, 3, S, S] for a model's input size S."""
    size = config.input_size
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (3, size, size) or not len(pixels):
        raise InputError(
            f"{config.name} expects uint8 pixels [N, 3, {size}, {size}] with N >= 1, got {pixels.dtype} "
            f"{list(pixels.shape)}"
        )
