"""Occlusion: the decrease of a class logit when a patch is covered."""

import torch
from torch import Tensor

from explain.attributions.patches import as_float, mean_colour, pixel_mask
from zoo.networks.network import Network

BATCH = 64
"""Number of covered images in a batch."""


def occlusion(network: Network, pixels: Tensor, classes: Tensor) -> Tensor:
    """Decrease of a class logit when a patch is replaced by the image's mean colour, for each patch.

    M. Zeiler and R. Fergus, *Visualizing and Understanding Convolutional Networks* (ECCV 2014), on the patch grid.

    Arguments:
        network: network in evaluation mode.
        pixels: images, [N, 3, H, W].
        classes: class indices, [N].

    Returns:
        Decrease [N, h, w]; positive where the patch supports the class.
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
    """Class logits [P, C] of an image [3, H, W] with each of the masks [P, 1, H, W] applied."""
    colour = mean_colour(image[None])
    return torch.cat([network(torch.where(part, colour, image)) for part in torch.split(masks, BATCH)])
