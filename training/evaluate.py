"""Accuracy on a split, every image once, through anything that answers."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric

from serve.client.predictor import ServerPredictor
from training.data.images import LabelledImages
from training.data.stream import StreamedImages
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.package import Package
from zoo.package.metrics import ONNX
from zoo.predictors import Prediction, Predictor
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.torch import TorchPredictor


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


class Measurable(NamedTuple):
    """What answers for a model."""

    through: str
    """Its short name: `torch`, a key of `zoo.package.metrics.ONNX`, or `server`."""
    predict: Predictor | ServerPredictor
    digest: str
    """Of what answers: of the ONNX file, else of the weights."""


def evaluate(
    predict: Callable[[Pixels], Prediction],
    images: LabelledImages | StreamedImages,
    progress: Callable[[int], None] = lambda done: None,
    fabric: Fabric | None = None,
) -> Evaluation:
    """Compare answers with labels.

    Arguments:
        predict: pixels [N, 3, S, S] to their prediction.
        images: the split.
        progress: called with the number of images done, in this process.
        fabric: the processes that share the work, each image in one of them; None for this one alone.
    """
    part = slice(None) if fabric is None else slice(fabric.global_rank, None, fabric.world_size)
    sums = np.zeros(5)
    for pixels, labels in images.batches(part):
        prediction = predict(pixels)
        logits, patch_logits = prediction.logits, prediction.patch_logits
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -log_probabilities[np.arange(len(labels)), labels].sum(dtype=np.float64)
        correct = (logits.argmax(axis=1) == labels).sum()
        correct_patches = (patch_logits.argmax(axis=1) == labels[:, None, None]).sum()
        sums += (len(labels), correct, loss, patch_logits[:, 0].size, correct_patches)
        progress(int(sums[0]))
    if fabric is not None:
        reduced = fabric.all_reduce(torch.from_numpy(sums).to(fabric.device), reduce_op="sum")
        assert isinstance(reduced, torch.Tensor)
        sums = reduced.cpu().numpy()
    count, correct, loss, patches, correct_patches = sums.tolist()
    return Evaluation(int(count), 100 * correct / count, 100 * correct_patches / patches, loss / count)


def open_through(through: str, package: Package) -> Measurable:
    """What answers for a model: `torch`, a key of `zoo.package.metrics.ONNX`, or the URL of a running server.

    Raises:
        InputError: it is none of these.
    """
    if through == "torch":
        return Measurable(through, TorchPredictor.open(package), package.config.weights_sha256)
    if through in ONNX:
        onnx = OnnxPredictor.open(package, precision=ONNX[through])
        return Measurable(through, onnx, onnx.onnx_sha256)
    if through.startswith(("http://", "https://")):
        server = ServerPredictor.open(through, package.config.name)
        return Measurable("server", server, server.weights_sha256)
    raise InputError(f"through = {through!r}: it is torch, {', '.join(ONNX)} or the URL of a running server")
