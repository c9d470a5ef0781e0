"""How much a class logit falls when a patch is covered."""

import torch
from torch import Tensor

from explain.attributions.patches import as_float, mean_colour, pixel_mask
from zoo.networks.network import Network

BATCH = 64
"""Covered images computed together."""


def occlusion(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """The logit of a class less that with a patch replaced by the image's mean colour, patch by patch.

    M. Zeiler and R. Fergus, *Visualizing and Understanding Convolutional Networks* (ECCV 2014), on the patch grid.

    Arguments:
        network: in evaluation mode.
        pixels: [N, 3, H, W].
        classes: class indices [N].

    Returns:
        [N, h, w]; positive where the patch speaks for the class.
    """
    with torch.inference_mode():
        whole = network.semantics(pixels)
        rows, columns = whole.patch_logits.shape[2:]
        cells = torch.eye(rows * columns, dtype=torch.bool, device=pixels.device).reshape(-1, rows, columns)
        masks = pixel_mask(cells, *pixels.shape[2:])
        falls = [
            logits[label] - _occluded_logits(network, image, masks)[:, label]
            for image, label, logits in zip(as_float(pixels), classes.tolist(), whole.logits, strict=True)
        ]
    return torch.stack(falls).reshape(-1, rows, columns)


def _occluded_logits(network: Network, image: Tensor, masks: Tensor) -> Tensor:
    """Class logits [P, C] of an image [3, H, W] under each of the masks [P, 1, H, W]."""
    colour = mean_colour(image[None])
    return torch.cat([network(torch.where(part, colour, image)) for part in torch.split(masks, BATCH)])
