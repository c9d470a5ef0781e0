"""Classification on this machine: images are decoded by threads while others are computed."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from zoo.answers import resolve_top_k, top_classes
from zoo.classify.answers import Answer, Failure
from zoo.classify.decoding import Named, decode_in_batches
from zoo.classify.sources import Source
from zoo.hub import open_model
from zoo.images.decode import CentreSquare, decode_pixels
from zoo.outputs import Array
from zoo.package import WEIGHTS_FILE, Package, serving_files
from zoo.predictors.choice import fast_files
from zoo.predictors.open_predictor import open_predictor


def open_for_inference(model: str) -> Package:
    """Open a model directory with the files for inference: ONNX, and weights as a fallback."""
    return open_model(model, (WEIGHTS_FILE, *serving_files(dict.fromkeys(["fp32", *fast_files()]))))


class _Decoded(NamedTuple):
    name: str
    square: CentreSquare


class LocalClassifier:
    """A `zoo.classify.Classifier` that computes with the model of a model directory."""

    def __init__(self, package: Package, top_k: int | None) -> None:
        """Open a model.

        Arguments:
            package: its model directory.
            top_k: number of classes of each answer; see `zoo.answers.resolve_top_k`.

        Raises:
            InputError: top_k is out of range.
            MissingDependencyError: the required runtime is not installed.
        """
        self.config = package.config
        self.identity = package.config.identity()
        self.top_k = resolve_top_k(top_k, package.config.classes)
        self._predict = open_predictor(package)

    def answers(self, sources: Iterable[Source]) -> Iterator[list[Answer | Failure]]:
        for images, failures in decode_in_batches(sources, self._decode):
            yield [*failures, *(self._compute(images) if images else ())]

    def _decode(self, file: Named) -> _Decoded:
        return _Decoded(file.name, decode_pixels(file.data, self.config.input_size))

    def _compute(self, images: list[_Decoded]) -> list[Answer]:
        prediction = self._predict(np.stack([image.square.pixels for image in images]))
        return [self._answer(*each) for each in zip(images, prediction.logits, strict=True)]

    def _answer(self, image: _Decoded, logits: Array) -> Answer:
        square = image.square
        top = top_classes(logits, self.config.classes, self.top_k)
        return Answer(image.name, square.width, square.height, square.box, top)
