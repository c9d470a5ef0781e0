"""Folded networks that compute in less than single precision; what goes in and comes out is the same."""

import torch
from torch import Tensor, nn

from export.fold import FoldedNetwork
from zoo.errors import InputError


def to_half(name: str, value: Tensor) -> Tensor:
    """A tensor in half precision.

    Raises:
        InputError: a number is beyond its range.
    """
    half = value.half()
    if not torch.isfinite(half).all():
        raise InputError(f"{name} has numbers up to {value.abs().max():.3g}: half precision ends at 65504")
    return half


class ToHalf(nn.Module):
    """Single to half precision."""

    def forward(self, x: Tensor) -> Tensor:
        return x.half()


def in_half(folded: FoldedNetwork) -> FoldedNetwork:
    """A folded network in half precision, in place; pixels are normalised in single precision.

    Raises:
        InputError: a weight is beyond the range of half precision.
    """
    normalize = folded.network.normalize
    folded.network.set_submodule("normalize", nn.Identity())
    for name, value in folded.state_dict().items():
        to_half(name, value)
    folded.half()
    folded.network.set_submodule("normalize", nn.Sequential(normalize, ToHalf()))
    return folded


def with_scaled_channels(folded: FoldedNetwork) -> FoldedNetwork:
    """A folded network whose normalisations are convolutions of single channels, in place.

    In 8 bits ONNX Runtime computes convolutions, and normalises in single precision only.
    """
    for name, module in list(folded.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            folded.set_submodule(name, _scale(module))
    return folded


def _scale(norm: nn.BatchNorm2d) -> nn.Conv2d:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    conv = nn.Conv2d(len(factor), len(factor), 1, groups=len(factor)).requires_grad_(False)
    conv.weight.copy_(factor[:, None, None, None])
    conv.bias.copy_(norm.bias.double() - factor * norm.running_mean.double())  # type: ignore[union-attr]
    return conv
