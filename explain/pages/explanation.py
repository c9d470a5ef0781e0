"""Explanation of one image: all maps of a page for one class, as arrays."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explain.attributions import class_activation_map
from explain.attributions.grad_cam import grad_cam
from explain.attributions.head import head_parts
from explain.attributions.occlusion import occlusion
from zoo.answers import ClassShare, patch_shares, top_classes
from zoo.cutouts import Place
from zoo.errors import InputError
from zoo.networks.network import Network
from zoo.outputs import Array
from zoo.predictors.torch import predict
from zoo.registry import SemanticSource, info

MAPS = 3
"""Number of classes whose maps are shown."""
TOP_K = 5
STRONGEST = 6
"""Maximum number of patches shown as crops."""


@dataclass(frozen=True, slots=True)
class BaselineMap:
    """Class activation map of the baseline, for the explained class."""

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
    explained: int
    """Index of the class that the maps explain; usually the predicted one."""
    logits: Array
    """Class logits, [C]."""
    bias: float
    """Bias of the explained class."""
    shares: Array
    """Shares of the classes in each patch, [C + 1, h, w], `none` last and 0 without a block; they sum to 1."""
    parts: Array
    """Contribution of each location of the last grid to its logit, [h, w]; with the bias, they sum to the logit."""
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
    def explained_class(self) -> str:
        """Name of the explained class."""
        return self.classes[self.explained]

    @property
    def shown_classes(self) -> tuple[int, ...]:
        """Indices of the explained class, the predicted one, and the other classes with the largest mean shares."""
        order = np.argsort(-self.shares[:-1].mean(axis=(1, 2)), kind="stable").tolist()
        return tuple(dict.fromkeys((self.explained, self.predicted, *order)))[:MAPS]

    def strongest_patches(self) -> list[Place]:
        """Row and column of the patches with the largest shares of the explained class, no two of them neighbours."""
        return separate_maxima(self.shares[self.explained], STRONGEST)

    def maps(self) -> dict[str, Array]:
        """Maps by name, as `zoo explain --maps` writes them."""
        maps = {
            "shares": self.shares,
            "contributions": self.parts,
            "occlusion": self.occlusion,
            "grad-cam": self.grad_cam,
        }
        return maps if self.baseline is None else maps | {"baseline": self.baseline.parts}


def separate_maxima(values: Array, count: int) -> list[Place]:
    """Row and column of the largest values [h, w], in descending order, after non-maximum suppression.

    The eight neighbours of a chosen place are never chosen, so that there may be fewer than `count` places.
    """
    left = values.astype(np.float64)
    places: list[Place] = []
    while len(places) < count and left.max() > -np.inf:
        row, column = map(int, np.unravel_index(left.argmax(), left.shape))
        places.append((row, column))
        left[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = -np.inf
    return places


def explain_image(
    network: Network,
    pixels: Tensor,
    baseline: tuple[str, Network, Tensor] | None = None,
    explained: int | None = None,
) -> Explanation:
    """Explain a network's answer for one image, or why it is not another class.

    Arguments:
        network: network in evaluation mode, with a `config`.
        pixels: image, [1, 3, S, S].
        baseline: name of a network with the same classes, the network, and the image at its input size; or None.
        explained: index of the class to explain; None for the predicted one.

    Raises:
        InputError: the network has no `config`.
    """
    if network.config is None:
        raise InputError("the network has no config with class names; load it with zoo.load")
    with torch.inference_mode():
        prediction = predict(network, pixels)
        parts, bias = head_parts(network, pixels)
    predicted, names = int(prediction.logits[0].argmax()), network.config.classes
    index = predicted if explained is None else explained
    label = torch.tensor([index], device=pixels.device)
    return Explanation(
        classes=names,
        source=info(network.config.variant).patch_source,
        answers=top_classes(prediction.logits[0], names, min(TOP_K, len(names))),
        predicted=predicted,
        explained=index,
        logits=prediction.logits[0],
        bias=float(bias[index].detach()),
        shares=patch_shares(prediction)[0],
        parts=to_array(parts)[0, index],
        occlusion=to_array(occlusion(network, pixels, label))[0],
        grad_cam=to_array(grad_cam(network, pixels, label))[0],
        baseline=_baseline_map(*baseline, names, label) if baseline else None,
    )


def to_array(tensor: Tensor) -> Array:
    return tensor.detach().float().cpu().numpy()


def _baseline_map(name: str, network: Network, pixels: Tensor, names: tuple[str, ...], label: Tensor) -> BaselineMap:
    with torch.inference_mode():
        [answer] = top_classes(to_array(network(pixels))[0], names, 1)
    return BaselineMap(name, answer, to_array(class_activation_map(network, pixels, label))[0])
