"""What a network computes of each patch, on both sides of its block."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.images.preprocess import Pixels
from zoo.networks.blocks import SemanticBlock
from zoo.networks.network import Network
from zoo.outputs import Array

Space = str
"""A name of `Tapped.spaces`: `before` (features [d] that enter the block), `after` (those that leave it) or `mixture`
(what the block computes: the class vectors, weighted by the patch's shares)."""


class Tapped(NamedTuple):
    """What a network computes for N images; C classes on an h x w patch grid."""

    logits: Array
    """[N, C], the class logits."""
    shares: Array | None
    """[N, h, w, C + 1], the assignment, `none` last, each patch's sum 1; None where the variant has no block."""
    spaces: dict[Space, Array]
    """Features [N, h, w, d] by the name of their space; only `before` where there is no block."""


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
    # The assignment `bn_relu` is no distribution; what is said of shares is said of their proportions.
    shares /= np.maximum(shares.sum(axis=-1, keepdims=True), 1e-12)
    return Tapped(
        logits,
        shares,
        {"before": _by_patch(before), "after": _by_patch(tapped.features), "mixture": _by_patch(mixture)},
    )


def class_vectors(network: Network) -> NDArray[np.float64] | None:
    """The class vectors [C, d], a row a class, as the block adds them; None where the variant has no block."""
    if not isinstance(network.block, SemanticBlock):
        return None
    return network.block.class_vectors().detach().T.double().cpu().numpy()


def _by_patch(maps: torch.Tensor) -> Array:
    return np.ascontiguousarray(maps.permute(0, 2, 3, 1).float().cpu().numpy())
