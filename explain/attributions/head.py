"""Decomposition of the linear head: the contribution of each location of the last grid to a class logit."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from zoo.networks.network import Network
from zoo.networks.pooling import SumPooling


class HeadParts(NamedTuple):
    """Exact additive contributions to the class logits, for C classes and an h x w grid."""

    parts: Tensor
    """Contributions [N, C, h, w]; their sum over the grid, plus `bias`, equals the class logits."""
    bias: Tensor
    """Bias of each class, [C]."""


def head_parts(network: Network, pixels: Tensor) -> HeadParts:
    """Decompose the class logits of pixels [N, 3, H, W].

    A class logit is the mean over the grid of the head's features times the classifier's weights, plus a bias: the
    class activation map of Zhou et al., *Learning Deep Features for Discriminative Localization* (CVPR 2016), here
    divided by the number of locations so that it sums to the logit. With generalised sum pooling the mean is weighted
    by what was kept, and so are the contributions. The sum is exact, but a contribution does not
    depend only on its own patch, since the features of a location also depend on its surroundings.
    """
    activations = network.activations(pixels)
    features = activations.features
    if activations.kept is not None:
        assert isinstance(network.pooling, SumPooling)
        features = features * network.pooling.weights(activations.kept)
    parts = F.conv2d(features, network.classifier.weight[:, :, None, None]) / features[0, 0].numel()
    return HeadParts(parts, network.classifier.bias)
