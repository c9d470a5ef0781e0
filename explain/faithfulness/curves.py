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
"""Parts in which a curve removes or adds the patches, most important first."""


class Subject(NamedTuple):
    """Pictures, what takes the place of their patches, and the probabilities at the ends of all their curves."""

    pixels: Tensor
    """[N, 3, H, W], in 0..1"""
    classes: Tensor
    """[N], the predicted classes; the probabilities are theirs."""
    colour: Tensor
    """[N, 3, 1, 1], the mean colours."""
    blurred: Tensor
    """[N, 3, H, W]"""
    whole: Tensor
    """[N], probability of the picture."""
    deleted: Tensor
    """[N], of its mean colour."""
    uninserted: Tensor
    """[N], of the blurred picture."""


class Areas(NamedTuple):
    """Areas under the curves of N pictures, in 0..1."""

    deletion: Tensor
    """[N]; less is better: without its most important patches the answer is lost soon."""
    insertion: Tensor
    """[N]; more is better: with its most important patches alone it is there soon."""


@torch.inference_mode()
def subject(network: Network, pixels: Tensor, rows: int) -> Subject:
    """What the curves of pixels [N, 3, H, W] need; the blur's standard deviation is a patch's side, H / rows."""
    pixels = as_float(pixels)
    sigma = pixels.shape[2] / rows
    # Two standard deviations to each side.
    blurred = gaussian_blur(pixels, [4 * round(sigma) + 1] * 2, [sigma] * 2)
    colour = mean_colour(pixels)
    logits = network(pixels)
    classes = logits.argmax(dim=1)
    whole = _of_classes(logits, classes)
    deleted = _of_classes(network(colour.expand_as(pixels)), classes)
    return Subject(pixels, classes, colour, blurred, whole, deleted, _of_classes(network(blurred), classes))


@torch.inference_mode()
def areas(network: Network, subject: Subject, importance: Tensor, steps: int = STEPS) -> Areas:
    """Areas under the deletion and insertion curves of patches in order of importance [N, h, w].

    Equally important patches go in reading order.
    """
    order = importance.flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).reshape(importance.shape)
    deletion, insertion = [subject.whole], [subject.uninserted]
    for step in range(1, steps):
        chosen = rank < round(step * rank[0].numel() / steps)
        mask = pixel_mask(chosen, *subject.pixels.shape[2:])
        deletion.append(_of_classes(network(torch.where(mask, subject.colour, subject.pixels)), subject.classes))
        insertion.append(_of_classes(network(torch.where(mask, subject.pixels, subject.blurred)), subject.classes))
    deletion.append(subject.deleted)
    insertion.append(subject.whole)
    return Areas(*(torch.trapezoid(torch.stack(curve), dim=0) / steps for curve in (deletion, insertion)))


def _of_classes(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.softmax(dim=1).gather(1, classes[:, None])[:, 0]
