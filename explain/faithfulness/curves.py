"""Insertion and deletion curves, which test whether the prediction depends on the patches ranked as important.

V. Petsiuk et al., *RISE: Randomized Input Sampling for Explanation of Black-box Models* (BMVC 2018), on the patch grid.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from explain.attributions.patches import as_float, mean_colour, pixel_mask
from zoo.networks.network import Network

STEPS = 8
"""Number of steps in which a curve removes or adds patches, most important first."""


class CurveInputs(NamedTuple):
    """Images, the replacements of their patches, and the probabilities at the ends of their curves."""

    pixels: Tensor
    """Images, [N, 3, H, W], in 0..1."""
    classes: Tensor
    """Predicted classes, [N], whose probabilities are measured."""
    colour: Tensor
    """Mean colours, [N, 3, 1, 1]."""
    blurred: Tensor
    """Blurred images, [N, 3, H, W]."""
    whole: Tensor
    """Probability for the original image, [N]."""
    deleted: Tensor
    """Probability for an image of only the mean colour, [N]."""
    uninserted: Tensor
    """Probability for the blurred image, [N]."""


class CurveAreas(NamedTuple):
    """Areas under the curves of N images, in 0..1."""

    deletion: Tensor
    """Deletion areas, [N]; lower is better: the probability drops quickly without the most important patches."""
    insertion: Tensor
    """Insertion areas, [N]; higher is better: the most important patches alone suffice for a high probability."""


@torch.inference_mode()
def prepare_curves(network: Network, pixels: Tensor, rows: int) -> CurveInputs:
    """Prepare the common inputs of all curves of pixels [N, 3, H, W]; the standard deviation of the blur is a patch's
    side, H / rows.
    """
    pixels = as_float(pixels)
    sigma = pixels.shape[2] / rows
    # The kernel extends two standard deviations to each side.
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
    """Areas under the deletion and insertion curves, for patches ordered by importance [N, h, w].

    Ties are broken in reading order.
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
