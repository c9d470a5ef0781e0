"""The last linear head, taken apart: what each location of the last grid adds to a class logit."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from zoo.networks.network import Network


class HeadParts(NamedTuple):
    """Exact additive parts of the class logits; C classes on an h x w grid."""

    parts: Tensor
    """[N, C, h, w]; their sum over the grid plus `bias` is the class logits."""
    bias: Tensor
    """[C]"""


def head_parts(network: Network, pixels: Tensor) -> HeadParts:
    """The parts of the class logits of pixels [N, 3, H, W].

    A class logit is the mean over the grid of the head's features times the classifier's weights, plus a bias: the
    class activation map of Zhou et al., *Learning Deep Features for Discriminative Localization* (CVPR 2016), here
    divided by the number of locations so that it sums to the logit. What a location holds was gathered from around it:
    exact is the sum, not that a part depends on its own patch only.
    """
    features = network.activations(pixels).features
    parts = F.conv2d(features, network.classifier.weight[:, :, None, None]) / features[0, 0].numel()
    return HeadParts(parts, network.classifier.bias)
