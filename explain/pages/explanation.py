"""Explanation of a network's prediction for one image: all maps of a page, as arrays."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explain.attributions import class_activation_map
from explain.attributions.grad_cam import grad_cam
from explain.attributions.head import head_parts
from explain.attributions.occlusion import occlusion
from zoo.answers import ClassShare, patch_shares, top_classes
from zoo.errors import InputError
from zoo.networks.network import Network
from zoo.outputs import Array
from zoo.predictors.torch import predict
from zoo.registry import SemanticSource, info

MAPS = 3
"""Number of classes whose maps are shown."""
TOP_K = 5
STRONGEST = 6
"""Number of patches shown as crops."""


@dataclass(frozen=True, slots=True)
class BaselineMap:
    """Class activation map of the baseline, for the class that the explained network predicts."""

    name: str
    answer: ClassShare
    """Prediction of the baseline."""
    parts: Array
    """Contribution of each location to the logit, [h, w]."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Prediction and maps of one image, with C classes and an h x w patch grid."""

    classes: tuple[str, ...]
    source: SemanticSource
    answers: tuple[ClassShare, ...]
    """Most probable classes, in descending order."""
    predicted: int
    """Index of the most probable class."""
    logit: float
    """Logit of the predicted class."""
    bias: float
    """Bias of the predicted class."""
    shares: Array
    """Shares of the classes in each patch, [C + 1, h, w], `none` last and 0 without a block; they sum to 1."""
    parts: Array
    """Contribution of each location of the last grid to the logit, [h, w]; with the bias, they sum to the logit."""
    occlusion: Array
    """Decrease of the logit when the patch is covered, [h, w]."""
    grad_cam: Array
    """Grad-CAM, [h, w], in 0..1."""
    baseline: BaselineMap | None

    @property
    def has_none(self) -> bool:
        """Whether the variant can assign a patch to no class."""
        return self.source == "semantic block"

    @property
    def shown_classes(self) -> tuple[int, ...]:
        """Indices of the predicted class and of the other classes with the largest mean shares."""
        order = np.argsort(-self.shares[:-1].mean(axis=(1, 2)), kind="stable").tolist()
        return (self.predicted, *(index for index in order if index != self.predicted))[:MAPS]

    def strongest_patches(self) -> list[tuple[int, int]]:
        """Row and column of the patches with the largest shares of the predicted class, in descending order."""
        own = self.shares[self.predicted]
        order = np.argsort(-own, axis=None, kind="stable")[:STRONGEST]
        rows, columns = np.unravel_index(order, own.shape)
        return list(zip(rows.tolist(), columns.tolist(), strict=True))


def explain_image(network: Network, pixels: Tensor, baseline: tuple[str, Network, Tensor] | None) -> Explanation:
    """Explain a network's prediction for one image.

    Arguments:
        network: network in evaluation mode, with a `config`.
        pixels: image, [1, 3, S, S].
        baseline: name of a network with the same classes, the network, and the image at its input size; or None.

    Raises:
        InputError: the network has no `config`.
    """
    if network.config is None:
        raise InputError("the network has no config with class names; load it with zoo.load")
    with torch.inference_mode():
        prediction = predict(network, pixels)
        parts, bias = head_parts(network, pixels)
    predicted = torch.from_numpy(prediction.logits).argmax(dim=1).to(pixels.device)
    index, names = int(predicted), network.config.classes
    return Explanation(
        classes=names,
        source=info(network.config.variant).patch_source,
        answers=top_classes(prediction.logits[0], names, min(TOP_K, len(names))),
        predicted=index,
        logit=float(prediction.logits[0, index]),
        bias=float(bias[index].detach()),
        shares=patch_shares(prediction)[0],
        parts=to_array(parts)[0, index],
        occlusion=to_array(occlusion(network, pixels, predicted))[0],
        grad_cam=to_array(grad_cam(network, pixels, predicted))[0],
        baseline=_baseline_map(*baseline, names, predicted) if baseline else None,
    )


def to_array(tensor: Tensor) -> Array:
    return tensor.detach().float().cpu().numpy()


def _baseline_map(
    name: str, network: Network, pixels: Tensor, names: tuple[str, ...], predicted: Tensor
) -> BaselineMap:
    with torch.inference_mode():
        [answer] = top_classes(to_array(network(pixels))[0], names, 1)
    return BaselineMap(name, answer, to_array(class_activation_map(network, pixels, predicted))[0])
