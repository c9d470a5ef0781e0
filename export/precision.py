"""Folded networks that compute in less than single precision; what goes in and comes out is the same."""

from torch import Tensor, nn

from export.fold import FoldedNetwork


class ToHalf(nn.Module):
    """Single to half precision."""

    def forward(self, x: Tensor) -> Tensor:
        return x.half()


def in_half(folded: FoldedNetwork) -> FoldedNetwork:
    """A folded network in half precision, in place; pixels are normalised in single precision."""
    normalize = folded.network.normalize
    folded.half()
    folded.network.set_submodule("normalize", nn.Sequential(normalize.float(), ToHalf()))
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
