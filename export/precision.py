"""Conversion of folded networks to reduced precision, with the same inputs and outputs."""

import torch
from torch import Tensor, nn

from export.fold import FoldedNetwork
from zoo.errors import InputError


def to_half(name: str, value: Tensor) -> Tensor:
    """Convert a tensor to half precision.

    Raises:
        InputError: a number is beyond the range of half precision.
    """
    half = value.half()
    if not torch.isfinite(half).all():
        raise InputError(
            f"{name} has values up to {value.abs().max():.3g}, beyond the half-precision maximum of 65504; use fp32"
        )
    return half


class ToHalf(nn.Module):
    """Conversion from single to half precision."""

    def forward(self, x: Tensor) -> Tensor:
        return x.half()


def in_half(folded: FoldedNetwork) -> FoldedNetwork:
    """Convert a folded network to half precision, in place; pixels are still normalised in single precision.

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
    """Replace the batch normalisations of a folded network by depthwise 1x1 convolutions, in place.

    ONNX Runtime supports convolutions in int8, but batch normalisation only in single precision.
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
