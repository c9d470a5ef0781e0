"""Effective receptive field of patches.

The theoretical receptive field of a patch covers the whole image in these networks, but most of it has hardly any
influence (W. Luo et al., *Understanding the Effective Receptive Field in Deep Convolutional Neural Networks*, 2016).
"""

import numpy as np
import torch

from zoo.images.preprocess import Pixels
from zoo.networks.network import Network

ENERGY = 0.9
"""Share of the gradient's energy within the effective receptive field."""
IMAGES = 32
BATCH = 8


def receptive_radius(network: Network, pixels: Pixels) -> int:
    """Number of cells on each side of a patch that belong to its effective receptive field.

    The field is the smallest square of cells around the central cell that has 90% of the squared gradient of the
    patch's largest logit with respect to the normalised pixels, over the first `IMAGES` images.

    Arguments:
        network: network in evaluation mode.
        pixels: training images, [N, 3, S, S].
    """
    energy = sum(_energy(network, pixels[start : start + BATCH]) for start in range(0, min(IMAGES, len(pixels)), BATCH))
    assert isinstance(energy, np.ndarray)
    side = energy.shape[0]
    middle = side // 2
    for reach in range(side):
        part = energy[max(middle - reach, 0) : middle + reach + 1, max(middle - reach, 0) : middle + reach + 1]
        if part.sum() >= ENERGY * energy.sum():
            return reach
    return side


def _energy(network: Network, pixels: Pixels) -> np.ndarray:
    """Squared gradient, summed over the pixels of each cell, [h, w]."""
    device = network.device
    normalised = network.normalize(torch.from_numpy(pixels.copy()).to(device)).requires_grad_()
    features = network.stages(network.stem(normalised))
    tapped = network.block(features)
    answer = features if tapped.patch_logits is None else tapped.patch_logits
    rows, columns = answer.shape[2:]
    strongest = answer[:, :, rows // 2, columns // 2].amax(dim=1).sum()
    [gradient] = torch.autograd.grad(strongest, normalised)
    squares = gradient.square().sum(dim=(0, 1))
    cells = torch.nn.functional.adaptive_avg_pool2d(squares[None, None], (rows, columns))[0, 0]
    return cells.double().cpu().numpy()
