"""Class shares of patches that have the softness of the block's, but not its block: the nulls of claim 4."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import entr, softmax

from explain.stats import Floats
from training.data.images import LabelledImages
from zoo.networks.network import Network
from zoo.outputs import Array

_LOG_TEMPERATURES = -8.0, 8.0


def mean_entropy(shares: NDArray[np.floating]) -> float:
    """Mean entropy of shares [..., C]."""
    return float(entr(shares.astype(np.float64)).sum(axis=-1).mean())


def match_temperature(logits: Array, entropy: float) -> float:
    """Temperature at which the softmax of logits [..., C] has a mean entropy; the nearest bound if none has it."""

    def excess(log_temperature: float) -> float:
        return mean_entropy(softmax(logits / np.exp(log_temperature), axis=-1)) - entropy

    low, high = _LOG_TEMPERATURES
    if excess(low) >= 0:
        return float(np.exp(low))
    if excess(high) <= 0:
        return float(np.exp(high))
    return float(np.exp(brentq(excess, low, high, xtol=1e-4)))


def dirichlet_parameters(shares: Array) -> Floats:
    """Parameters [C] of the Dirichlet distribution with the mean and the total variance of shares [..., C]."""
    flat = shares.reshape(-1, shares.shape[-1]).astype(np.float64)
    mean = flat.mean(axis=0)
    # The variances are m (1 - m) / (concentration + 1).
    concentration = (1 - np.square(mean).sum()) / max(flat.var(axis=0).sum(), 1e-12) - 1
    return np.maximum(mean * max(concentration, 1e-3), 1e-6)


def class_maps(network: Network, images: LabelledImages) -> Array:
    """Class logits of each patch, [N, h * w, C]; the class activation map of a network without patch supervision."""
    found = []
    with torch.inference_mode():
        for pixels, _ in images.batches():
            maps = network.semantics(torch.from_numpy(pixels).to(network.device)).patch_logits
            found.append(maps.flatten(2).transpose(1, 2).float().cpu().numpy())
    return np.concatenate(found)
