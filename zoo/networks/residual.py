"""Stages of pre-activation residual blocks, shared by the two residual families."""

from collections.abc import Callable

from torch import Tensor, nn

from zoo.networks.network import conv


class PreActivationBlock(nn.Module):
    """out = shortcut(x) + body(BN-ReLU(x)); He et al., *Identity Mappings in Deep Residual Networks* (2016).

    The shortcut is a 1x1 convolution of the pre-activated input where channels or stride change, else the identity.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, body: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.body = body
        changes = stride != 1 or in_channels != out_channels
        self.shortcut = conv(in_channels, out_channels, 1, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        activated = self.norm(x).relu()
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        return shortcut + self.body(activated)


def stage(
    in_channels: int, out_channels: int, stride: int, blocks: int, body: Callable[[int, int], nn.Module]
) -> nn.Sequential:
    """`blocks` residual blocks, the first of which changes channels and size; `body` makes what is in them."""
    first = PreActivationBlock(in_channels, out_channels, stride, body(in_channels, stride))
    others = [PreActivationBlock(out_channels, out_channels, 1, body(out_channels, 1)) for _ in range(blocks - 1)]
    return nn.Sequential(first, *others)
