"""Insertion and deletion curves, which test whether the prediction depends on the patches ranked as important.

V. Petsiuk et al., *RISE: Randomized Input Sampling for Explanation of Black-box Models* (BMVC 2018), on the patch grid.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from explain.attributions.patches import as_float, mean_colour, pixel_mask
from zoo.networks.network import Network

STEPS = 8
"""Number of steps in which a curve removes or adds patches, most important first."""


class CurveInputs(NamedTuple):
    """Images, the replacements of their patches, and the probabilities at the ends of their curves.

    A replacement is an image of only the mean colour, or the blurred image.
    """

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
    of_colour: Tensor
    """Probability for an image of only the mean colour, [N]."""
    of_blurred: Tensor
    """Probability for the blurred image, [N]."""
    ties: Tensor
    """Random order of the cells of each image, [N, h * w], in which patches of equal importance are taken."""


class CurveAreas(NamedTuple):
    """Areas under the curves of N images, in 0..1.

    Deletion: lower is better, the probability drops quickly without the most important patches. Insertion: higher is
    better, the most important patches alone suffice for a high probability.
    """

    deletion: Tensor
    """Patches are replaced by the mean colour, [N]."""
    deletion_blurred: Tensor
    """Patches are replaced by the blurred image, [N]."""
    insertion: Tensor
    """Patches are inserted into the blurred image, [N]."""
    insertion_colour: Tensor
    """Patches are inserted into the mean colour, [N]."""


@torch.inference_mode()
def prepare_curves(network: Network, pixels: Tensor, grid: Sequence[int], generator: torch.Generator) -> CurveInputs:
    """Prepare the common inputs of all curves.

    Arguments:
        network: network in evaluation mode.
        pixels: [N, 3, H, W].
        grid: rows and columns of the patch grid; the standard deviation of the blur is a patch's side, H / rows.
        generator: generator on the CPU for the order of patches of equal importance.
    """
    pixels = as_float(pixels)
    rows, columns = grid
    sigma = pixels.shape[2] / rows
    # The kernel extends two standard deviations to each side.
    blurred = gaussian_blur(pixels, [4 * round(sigma) + 1] * 2, [sigma] * 2)
    colour = mean_colour(pixels)
    logits = network(pixels)
    classes = logits.argmax(dim=1)
    whole = _class_probabilities(logits, classes)
    of_colour = _class_probabilities(network(colour.expand_as(pixels)), classes)
    of_blurred = _class_probabilities(network(blurred), classes)
    ties = torch.rand(len(pixels), rows * columns, generator=generator).argsort(dim=1).to(pixels.device)
    return CurveInputs(pixels, classes, colour, blurred, whole, of_colour, of_blurred, ties)


@torch.inference_mode()
def curve_areas(network: Network, inputs: CurveInputs, importance: Tensor, steps: int = STEPS) -> CurveAreas:
    """Areas under the deletion and insertion curves, for patches ordered by importance [N, h, w].

    Patches of equal importance are in random order, so that neither the corner nor the centre is favoured.
    """
    rank = _ranks(importance, inputs.ties)
    masks = [
        pixel_mask(rank < round(step * rank[0].numel() / steps), *inputs.pixels.shape[2:]) for step in range(1, steps)
    ]

    def area(first: Tensor, chosen: Tensor, others: Tensor, last: Tensor) -> Tensor:
        """Area under the curve of images with `chosen` pixels in the chosen patches and `others` elsewhere."""
        middle = [_class_probabilities(network(torch.where(mask, chosen, others)), inputs.classes) for mask in masks]
        return torch.trapezoid(torch.stack([first, *middle, last]), dim=0) / steps

    return CurveAreas(
        deletion=area(inputs.whole, inputs.colour, inputs.pixels, inputs.of_colour),
        deletion_blurred=area(inputs.whole, inputs.blurred, inputs.pixels, inputs.of_blurred),
        insertion=area(inputs.of_blurred, inputs.pixels, inputs.blurred, inputs.whole),
        insertion_colour=area(inputs.of_colour, inputs.pixels, inputs.colour, inputs.whole),
    )


def _ranks(importance: Tensor, ties: Tensor) -> Tensor:
    """Rank [N, h, w] of each cell by descending importance [N, h, w], equal ones in the order of `ties` [N, h * w]."""
    shuffled = importance.flatten(1).gather(1, ties)
    order = ties.gather(1, shuffled.argsort(dim=1, descending=True, stable=True))
    return order.argsort(dim=1).reshape(importance.shape)


def _class_probabilities(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.softmax(dim=1).gather(1, classes[:, None])[:, 0]
