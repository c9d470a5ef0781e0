"""Accuracy on a split, for any predictor."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric

from serve.client.predictor import ServerPredictor
from training.calibration import calibration_estimate
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
    """Result of an evaluation."""

    images: int
    accuracy: float
    """Percentage of the images whose most probable class is the label."""
    patch_accuracy: float
    """Percentage of all patches whose largest patch logit is that of the image's label."""
    loss: float
    """Mean cross-entropy of the class logits."""
    calibration_error: tuple[float, float, float] | None = None
    """Expected calibration error of the class probabilities in percentage points, with the bounds of its 95% interval;
    None if not measured."""

    def to_json(self) -> dict[str, Any]:
        return {
            name: [round(one, 4) for one in value] if isinstance(value, tuple) else round(value, 4)
            for name, value in asdict(self).items()
            if value is not None
        }


class Measurable(NamedTuple):
    """A model's predictor with its name and digest."""

    through: str
    """Name of the runtime: `torch`, a key of `zoo.package.metrics.ONNX`, or `server`."""
    predict: Predictor | ServerPredictor
    digest: str
    """Digest of the ONNX file, or of the weights."""


def evaluate(
    predict: Callable[[Pixels], Prediction],
    images: LabelledImages | StreamedImages,
    progress: Callable[[int], None] = lambda done: None,
    fabric: Fabric | None = None,
    *,
    calibration: bool = False,
) -> Evaluation:
    """Compare predictions with labels.

    Arguments:
        predict: predictor of pixels [N, 3, S, S].
        images: images of the split.
        progress: called with the number of images done in this process.
        fabric: processes among which the images are divided; None for this process alone.
        calibration: whether to measure the calibration, in this process alone.
    """
    assert not (calibration and fabric)
    part = slice(None) if fabric is None else slice(fabric.global_rank, None, fabric.world_size)
    sums = np.zeros(5)
    confidences, hits = [], []
    for pixels, labels in images.batches(part):
        prediction = predict(pixels)
        logits, patch_logits = prediction.logits, prediction.patch_logits
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -log_probabilities[np.arange(len(labels)), labels].sum(dtype=np.float64)
        right = logits.argmax(axis=1) == labels
        if calibration:
            confidences.append(np.exp(log_probabilities.max(axis=1)))
            hits.append(right)
        correct_patches = (patch_logits.argmax(axis=1) == labels[:, None, None]).sum()
        sums += (len(labels), right.sum(), loss, patch_logits[:, 0].size, correct_patches)
        progress(int(sums[0]))
    if fabric is not None:
        reduced = fabric.all_reduce(torch.from_numpy(sums).to(fabric.device), reduce_op="sum")
        assert isinstance(reduced, torch.Tensor)
        sums = reduced.cpu().numpy()
    count, correct, loss, patches, correct_patches = sums.tolist()
    error = None
    if calibration:
        confidence, hit = (np.concatenate(parts).astype(np.float64) for parts in (confidences, hits))
        error = calibration_estimate(confidence, hit)
    return Evaluation(int(count), 100 * correct / count, 100 * correct_patches / patches, loss / count, error)


def open_through(through: str, package: Package) -> Measurable:
    """Open a model with a runtime: `torch`, a key of `zoo.package.metrics.ONNX`, or the URL of a running server.

    Raises:
        InputError: `through` is something else.
    """
    if through == "torch":
        return Measurable(through, TorchPredictor.open(package), package.config.weights_sha256)
    if through in ONNX:
        onnx = OnnxPredictor.open(package, precision=ONNX[through])
        return Measurable(through, onnx, onnx.onnx_sha256)
    if through.startswith(("http://", "https://")):
        server = ServerPredictor.open(through, package.config.name)
        return Measurable("server", server, server.weights_sha256)
    raise InputError(f"through = {through!r}: must be torch, {', '.join(ONNX)} or the URL of a running server")
