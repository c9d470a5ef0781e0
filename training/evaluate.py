"""Accuracy on a split, every image once, through anything that answers."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.data import LabelledImages
from training.server_predictor import ServerPredictor
from zoo.errors import InputError
from zoo.onnx_predictor import OnnxPredictor
from zoo.package import Package
from zoo.predictor import Prediction, Predictor
from zoo.preprocess import Pixels
from zoo.torch_predictor import TorchPredictor

BATCH = 100


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured."""

    images: int
    accuracy: float
    """Share of the images whose most probable class is the label, in percent."""
    patch_accuracy: float
    """Share of all patches whose strongest patch logit is the image's label, in percent."""
    loss: float
    """Mean cross-entropy of the class logits."""

    def to_json(self) -> dict[str, Any]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def evaluate(
    predict: Callable[[Pixels], Prediction], data: LabelledImages, progress: Callable[[int], None] = lambda done: None
) -> Evaluation:
    """Compare answers with labels.

    Arguments:
        predict: pixels [N, 3, S, S] to their prediction.
        data: the split.
        progress: called with the number of images done.
    """
    correct = correct_patches = patches = done = 0
    loss = 0.0
    for pixels, labels in _batches(data):
        logits, patch_logits, _ = predict(pixels)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss -= float(log_probabilities[np.arange(len(labels)), labels].sum())
        correct += int((logits.argmax(axis=1) == labels).sum())
        correct_patches += int((patch_logits.argmax(axis=1) == labels[:, None, None]).sum())
        patches += patch_logits[:, 0].size
        done += len(labels)
        progress(done)
    return Evaluation(done, 100 * correct / done, 100 * correct_patches / patches, loss / done)


def open_through(through: str, package: Package) -> tuple[str, Predictor | ServerPredictor]:
    """What answers for a model, with its short name: `torch`, `onnx`, or `server` for a URL.

    Raises:
        InputError: it is none of these.
    """
    if through == "torch":
        return through, TorchPredictor.open(package)
    if through == "onnx":
        return through, OnnxPredictor.open(package)
    if through.startswith(("http://", "https://")):
        return "server", ServerPredictor.open(through, package.config.name)
    raise InputError(f"through = {through!r}: it is torch, onnx or the URL of a running server")


def _batches(data: LabelledImages) -> Iterator[tuple[Pixels, np.ndarray]]:
    images, labels = data.images.numpy(), data.labels.numpy()
    for start in range(0, len(labels), BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]
