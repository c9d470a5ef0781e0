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
    templates: Array | None
    """The same for M > 1 templates per class, [N, h, w, C * M + 1]; None for one template."""
    spaces: dict[Space, Array]
    """Features [N, h, w, d] by space; only `before` if there is no block."""


@torch.inference_mode()
def tap(network: Network, pixels: Pixels) -> Tapped:
    """Run a network in evaluation mode on pixels [N, 3, S, S]."""
    device = network.device
    activations = network.activations(torch.from_numpy(pixels).to(device))
    before, tapped = activations.before, activations.block
    logits = activations.logits.cpu().numpy()
    if tapped.assignment is None:
        return Tapped(logits, None, None, {"before": _by_patch(before)})
    assert isinstance(network.block, SemanticBlock)
    mixture = network.block.mixture(tapped.assignment if tapped.templates is None else tapped.templates)
    return Tapped(
        logits,
        _shares(tapped.assignment),
        None if tapped.templates is None else _shares(tapped.templates),
        {"before": _by_patch(before), "after": _by_patch(tapped.features), "mixture": _by_patch(mixture)},
    )


def class_vectors(network: Network) -> NDArray[np.float64] | None:
    """Class vectors [C, d] that the block adds, one row per class: the mean of its templates'; None if the variant has
    no block.
    """
    vectors = template_vectors(network)
    return None if vectors is None else vectors.reshape(network.num_classes, -1, vectors.shape[1]).mean(axis=1)


def template_vectors(network: Network) -> NDArray[np.float64] | None:
    """Vectors [C * M, d] that the block adds, one row per template; None if the variant has no block."""
    if not isinstance(network.block, SemanticBlock):
        return None
    return network.block.class_vectors().detach().T.double().cpu().numpy()


def _shares(assignment: torch.Tensor) -> Array:
    shares = _by_patch(assignment)
    # The assignment `bn_relu` is not a distribution; normalise it.
    shares /= np.maximum(shares.sum(axis=-1, keepdims=True), 1e-12)
    return shares


def _by_patch(maps: torch.Tensor) -> Array:
    return np.ascontiguousarray(maps.permute(0, 2, 3, 1).float().cpu().numpy())
