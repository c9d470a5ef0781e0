"""Insertion and deletion curves: does the answer depend on the patches that are called important?

V. Petsiuk et al., *RISE: Randomized Input Sampling for Explanation of Black-box Models* (BMVC 2018), on the patch grid.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from explain.attributions.patches import as_float, mean_colour, pixel_mask
from zoo.networks.network import Network

STEPS = 8
"""Steps in which a curve removes or adds the patches, most important first."""


class CurveInputs(NamedTuple):
    """Images, what replaces their patches, and the probabilities at the ends of their curves."""

    pixels: Tensor
    """[N, 3, H, W], in 0..1"""
    classes: Tensor
    """[N], the predicted classes; the probabilities are theirs."""
    colour: Tensor
    """[N, 3, 1, 1], the mean colours."""
    blurred: Tensor
    """[N, 3, H, W]"""
    whole: Tensor
    """[N], probability for the image."""
    deleted: Tensor
    """[N], probability for its mean colour alone."""
    uninserted: Tensor
    """[N], probability for the blurred image."""


class CurveAreas(NamedTuple):
    """Areas under the curves of N images, in 0..1."""

    deletion: Tensor
    """[N]; less is better: the answer is soon lost without the most important patches."""
    insertion: Tensor
    """[N]; more is better: the most important patches alone soon give the answer."""


@torch.inference_mode()
def prepare_curves(network: Network, pixels: Tensor, rows: int) -> CurveInputs:
    """What all curves of pixels [N, 3, H, W] share; the blur's standard deviation is a patch's side, H / rows."""
    pixels = as_float(pixels)
    sigma = pixels.shape[2] / rows
    # Two standard deviations to each side.
    blurred = gaussian_blur(pixels, [4 * round(sigma) + 1] * 2, [sigma] * 2)
    colour = mean_colour(pixels)
    logits = network(pixels)
    classes = logits.argmax(dim=1)
    whole = _class_probabilities(logits, classes)
    deleted = _class_probabilities(network(colour.expand_as(pixels)), classes)
    return CurveInputs(
        pixels, classes, colour, blurred, whole, deleted, _class_probabilities(network(blurred), classes)
    )


@torch.inference_mode()
def curve_areas(network: Network, inputs: CurveInputs, importance: Tensor, steps: int = STEPS) -> CurveAreas:
    """Areas under the deletion and insertion curves of patches in order of importance [N, h, w].

    Equally important patches go in reading order.
    """
    order = importance.flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).reshape(importance.shape)
    deletion, insertion = [inputs.whole], [inputs.uninserted]
    for step in range(1, steps):
        chosen = rank < round(step * rank[0].numel() / steps)
        mask = pixel_mask(chosen, *inputs.pixels.shape[2:])
        deletion.append(_class_probabilities(network(torch.where(mask, inputs.colour, inputs.pixels)), inputs.classes))
        insertion.append(
            _class_probabilities(network(torch.where(mask, inputs.pixels, inputs.blurred)), inputs.classes)
        )
    deletion.append(inputs.deleted)
    insertion.append(inputs.whole)
    return CurveAreas(*(torch.trapezoid(torch.stack(curve), dim=0) / steps for curve in (deletion, insertion)))


def _class_probabilities(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.softmax(dim=1).gather(1, classes[:, None])[:, 0]
