"""Classification on this machine: images are decoded by threads while others are computed."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np

from zoo.answers import resolve_top_k, top_classes
from zoo.classify.answers import Answer, Failure
from zoo.classify.sources import Source
from zoo.errors import ZooError, reason_of
from zoo.hub import open_model
from zoo.images.decode import CentreSquare, decode_pixels
from zoo.machine import cores
from zoo.outputs import Array
from zoo.package import WEIGHTS_FILE, Package, serving_files
from zoo.parallel import batched, map_in_order
from zoo.predictors.open_predictor import open_predictor

BATCH = 64
"""Images per batch of the network."""

BLOCK = 16
"""Images per task of a thread; handing over small images one by one would cost more than decoding them."""

MAX_THREADS = 16


def open_for_inference(model: str) -> Package:
    """Open a model directory with the files for inference: ONNX, and weights as a fallback."""
    return open_model(model, (WEIGHTS_FILE, *serving_files(["fp32"])))


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
        waiting: list[_Decoded] = []
        with closing(map_in_order(self._decode, batched(sources, BLOCK), min(cores(), MAX_THREADS))) as blocks:
            for block in blocks:
                yield [each for each in block if isinstance(each, Failure)]
                waiting += [each for each in block if isinstance(each, _Decoded)]
                if len(waiting) >= BATCH:
                    yield self._compute(waiting[:BATCH])
                    waiting = waiting[BATCH:]
        if waiting:
            yield self._compute(waiting)

    def _decode(self, block: list[Source]) -> list[_Decoded | Failure]:
        return [self._read(source) for source in block]

    def _read(self, source: Source) -> _Decoded | Failure:
        try:
            return _Decoded(source.name, decode_pixels(source.read(), self.config.input_size))
        except (OSError, ZooError) as error:
            return Failure(source.name, reason_of(error))

    def _compute(self, images: list[_Decoded]) -> list[Answer | Failure]:
        prediction = self._predict(np.stack([image.square.pixels for image in images]))
        return [self._answer(*each) for each in zip(images, prediction.logits, strict=True)]

    def _answer(self, image: _Decoded, logits: Array) -> Answer:
        square = image.square
        top = top_classes(logits, self.config.classes, self.top_k)
        return Answer(image.name, square.width, square.height, square.box, top)
