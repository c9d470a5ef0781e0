"""Accuracy on a split, for any predictor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from serve.client.predictor import ServerPredictor
from training.calibration import calibration_estimate
from training.data.images import LabelledImages
from training.data.stream import StreamedImages
from zoo.errors import InputError
from zoo.images.preprocess import Pixels
from zoo.package import Package
from zoo.package.metrics import THROUGH
from zoo.predictors import Prediction, Predictor
from zoo.predictors.open_execution import open_execution
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
    class_accuracy: Mapping[str, float] | None = None
    """The same percentage by class, for classes that have images; None if not measured."""

    def to_json(self) -> dict[str, Any]:
        return {name: _rounded(value) for name, value in asdict(self).items() if value is not None}


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [round(one, 4) for one in value]
    if isinstance(value, Mapping):
        return {name: round(one, 4) for name, one in value.items()}
    return round(value, 4)


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's answers for the N images of a split."""

    labels: NDArray[np.int64]
    """[N], class of each image."""
    predicted: NDArray[np.int64]
    """[N], most probable class of each image."""
    probability: NDArray[np.float64]
    """[N], probability of that class."""
    loss: NDArray[np.float64]
    """[N], cross-entropy of the class logits."""
    patch_accuracy: float
    """Percentage of all patches whose largest patch logit is that of the image's label."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """[N], whether the most probable class is the label."""
        return self.labels == self.predicted

    def evaluate(self, classes: Sequence[str], *, calibration: bool = False) -> Evaluation:
        """Summary of the answers.

        Arguments:
            classes: C names.
            calibration: whether to measure the calibration, which takes seconds for many images.
        """
        count = np.bincount(self.labels, minlength=len(classes))
        hits = np.bincount(self.labels[self.right], minlength=len(classes))
        return Evaluation(
            images=len(self.labels),
            accuracy=100 * float(self.right.mean()),
            patch_accuracy=self.patch_accuracy,
            loss=float(self.loss.mean()),
            calibration_error=calibration_estimate(self.probability, self.right.astype(float)) if calibration else None,
            class_accuracy={
                name: 100 * hit / images
                for name, hit, images in zip(classes, hits.tolist(), count.tolist(), strict=True)
                if images
            },
        )


class Measurable(NamedTuple):
    """A model's predictor with its name and digest."""

    through: str
    """Name of the runtime: `torch`, a key of `zoo.package.metrics.THROUGH`, or `server`."""
    predict: Predictor | ServerPredictor
    digest: str
    """Digest of the ONNX file, or of the weights."""


def ask(
    predict: Callable[[Pixels], Prediction],
    images: LabelledImages | StreamedImages,
    progress: Callable[[int], None] = lambda done: None,
    fabric: Fabric | None = None,
) -> Answers:
    """Predict every image of a split.

    Arguments:
        predict: predictor of pixels [N, 3, S, S].
        images: images of the split.
        progress: called with the number of images done in this process.
        fabric: processes among which the images are divided, all of which get all answers; None for this process alone.
    """
    rank, processes = (0, 1) if fabric is None else (fabric.global_rank, fabric.world_size)
    # One column per image; each process fills its own, and the sum over the processes has all.
    columns, patches, done = np.zeros((3, len(images.labels))), np.zeros(2), 0
    for pixels, labels in images.batches(slice(rank, None, processes)):
        prediction = predict(pixels)
        logits, patch_logits = prediction.logits, prediction.patch_logits
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        own = slice(rank + done * processes, rank + (done + len(labels)) * processes, processes)
        columns[:, own] = (
            logits.argmax(axis=1),
            np.exp(log_probabilities.max(axis=1)),
            -log_probabilities[np.arange(len(labels)), labels],
        )
        right_patches = patch_logits.argmax(axis=1) == labels[:, None, None]
        patches += (right_patches.sum(), right_patches.size)
        done += len(labels)
        progress(done)
    if processes > 1:
        assert fabric is not None
        together = torch.from_numpy(np.concatenate([patches, columns.ravel()])).to(fabric.device)
        reduced = fabric.all_reduce(together, reduce_op="sum")
        assert isinstance(reduced, torch.Tensor)
        summed = reduced.cpu().numpy()
        patches, columns = summed[:2], summed[2:].reshape(columns.shape)
    predicted, probability, loss = columns
    labels = images.labels.numpy()
    return Answers(labels, predicted.astype(np.int64), probability, loss, 100 * float(patches[0] / patches[1]))


def evaluate(
    predict: Callable[[Pixels], Prediction],
    images: LabelledImages | StreamedImages,
    progress: Callable[[int], None] = lambda done: None,
    fabric: Fabric | None = None,
    *,
    calibration: bool = False,
) -> Evaluation:
    """Compare predictions with labels; arguments as for `ask` and `Answers.evaluate`."""
    return ask(predict, images, progress, fabric).evaluate(images.classes, calibration=calibration)


def open_through(through: str, package: Package) -> Measurable:
    """Open a model with a runtime: `torch`, a key of `zoo.package.metrics.THROUGH`, or the URL of a running server.

    Raises:
        InputError: `through` is something else.
    """
    if through == "torch":
        return Measurable(through, TorchPredictor.open(package), package.config.weights_sha256)
    if through in THROUGH:
        opened = open_execution(package, THROUGH[through])
        return Measurable(through, opened, opened.onnx_sha256)
    if through.startswith(("http://", "https://")):
        server = ServerPredictor.open(through, package.config.name)
        return Measurable("server", server, server.weights_sha256)
    raise InputError(f"through = {through!r}: must be torch, {', '.join(THROUGH)} or the URL of a running server")
