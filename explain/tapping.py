"""Activations of each patch before and after a network's semantic block."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.images.preprocess import Pixels
from zoo.networks.blocks import SemanticBlock
from zoo.networks.network import Network
from zoo.outputs import Array

Space = str
"""Name of a feature space: `before` (inputs [d] of the block), `after` (its outputs) or `mixture` (the class vectors
weighted by the patch's shares, as computed by the block)."""


class Tapped(NamedTuple):
    """Activations for N images, with C classes and an h x w patch grid."""

    logits: Array
    """Class logits, [N, C]."""
    shares: Array | None
    """Assignment, [N, h, w, C + 1], `none` last, normalised to sum 1 per patch; None if the variant has no block."""
    spaces: dict[Space, Array]
    """Features [N, h, w, d] by space; only `before` if there is no block."""


@torch.inference_mode()
def tap(network: Network, pixels: Pixels) -> Tapped:
    """Run a network in evaluation mode on pixels [N, 3, S, S]."""
    device = network.device
    before, tapped, _, class_logits = network.activations(torch.from_numpy(pixels).to(device))
    logits = class_logits.cpu().numpy()
    if tapped.assignment is None:
        return Tapped(logits, None, {"before": _by_patch(before)})
    assert isinstance(network.block, SemanticBlock)
    mixture = network.block.mixture(tapped.assignment)
    shares = _by_patch(tapped.assignment)
    # The assignment `bn_relu` is not a distribution; normalise it.
    shares /= np.maximum(shares.sum(axis=-1, keepdims=True), 1e-12)
    return Tapped(
        logits,
        shares,
        {"before": _by_patch(before), "after": _by_patch(tapped.features), "mixture": _by_patch(mixture)},
    )


def class_vectors(network: Network) -> NDArray[np.float64] | None:
    """Class vectors [C, d] that the block adds, one row per class; None if the variant has no block."""
    if not isinstance(network.block, SemanticBlock):
        return None
    return network.block.class_vectors().detach().T.double().cpu().numpy()


def _by_patch(maps: torch.Tensor) -> Array:
    return np.ascontiguousarray(maps.permute(0, 2, 3, 1).float().cpu().numpy())
