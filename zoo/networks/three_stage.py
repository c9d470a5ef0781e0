"""Residual networks in three stages, which papers on distillation use: RN20 to RN110, WRN16-2, WRN40-1 and WRN40-2.

Their last stage is divided: its first block is the end of `stages`, so that the patches are those of other networks.
"""

from functools import partial

from torch import Tensor, nn

from zoo.images.preprocess import Normalization
from zoo.networks.blocks import Block, make_block
from zoo.networks.network import Network, conv
from zoo.networks.resnet import basic, wide_stage
from zoo.registry import AssignmentName, Variant


class PostActivationBlock(nn.Module):
    """out = ReLU(shortcut(x) + body(x)); He et al., *Deep Residual Learning for Image Recognition* (2016).

    The body is 3x3-BN-ReLU-3x3-BN with the stride on the first; the shortcut is a 1x1 convolution with normalisation
    where channels or stride change, else the identity.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*basic(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))
        changes = stride != 1 or in_channels != out_channels
        self.shortcut = (
            nn.Sequential(conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)) if changes else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return (shortcut + self.body(x)).relu()


def build(
    variant: Variant, num_classes: int, assignment: AssignmentName, normalization: Normalization, templates: int = 1
) -> Network:
    """Network of post-activation blocks with 16, 32 and 64 channels."""

    def make_stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
        first = PostActivationBlock(in_channels, out_channels, stride)
        others = [PostActivationBlock(out_channels, out_channels, 1) for _ in range(variant.blocks - 1)]
        return nn.Sequential(first, *others)

    return _network(
        nn.Sequential(conv(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU()),
        (make_stage(16, 16, 1), make_stage(16, 32, 2), make_stage(32, 64, 2)),
        (16, 32, 64),
        make_block(variant.mechanism, 64, num_classes, assignment, templates),
        num_classes,
        normalization,
        final_norm=False,
    )


def _build_wide(
    variant: Variant,
    num_classes: int,
    assignment: AssignmentName,
    normalization: Normalization,
    templates: int = 1,
    *,
    width: int,
) -> Network:
    """Network of pre-activation blocks with `width` times 16, 32 and 64 channels."""
    channels = (16 * width, 32 * width, 64 * width)
    make_stage = partial(wide_stage, blocks=variant.blocks)
    return _network(
        conv(3, 16, 3),
        (make_stage(16, channels[0], 1), make_stage(*channels[:2], 2), make_stage(*channels[1:], 2)),
        channels,
        make_block(variant.mechanism, channels[2], num_classes, assignment, templates),
        num_classes,
        normalization,
    )


build_wide_1 = partial(_build_wide, width=1)
"""Wide network as narrow as the original residual network."""

build_wide_2 = partial(_build_wide, width=2)
"""Wide network twice as wide."""


def _network(
    stem: nn.Module,
    stages: tuple[nn.Sequential, nn.Sequential, nn.Sequential],
    channels: tuple[int, int, int],
    block: Block,
    num_classes: int,
    normalization: Normalization,
    *,
    final_norm: bool = True,
) -> Network:
    first, second, last = stages
    return Network(
        stem=stem,
        stages=nn.Sequential(first, second, nn.Sequential(last[0])),
        block=block,
        last_stage=nn.Sequential(*last[1:]),
        channels={
            "stem": 16,
            "stages.0": channels[0],
            "stages.1": channels[1],
            "stages.2": channels[2],
            "last_stage": channels[2],
        },
        num_classes=num_classes,
        normalization=normalization,
        final_norm=final_norm,
    )
