"""WRN16: a pre-activation residual network of basic blocks, twice as wide as the original, in four stages."""

from torch import nn

from zoo.images.preprocess import Normalization
from zoo.networks.blocks import make_block
from zoo.networks.network import Network, conv
from zoo.networks.residual import stage
from zoo.registry import AssignmentName, Variant


def basic(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """3x3 - 3x3 with the stride on the first; the input is activated already."""
    return nn.Sequential(
        conv(in_channels, out_channels, 3, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        conv(out_channels, out_channels, 3),
    )


def build(variant: Variant, num_classes: int, assignment: AssignmentName, normalization: Normalization) -> Network:
    """The wide residual network of a variant."""

    def make_stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
        return stage(
            in_channels,
            out_channels,
            stride,
            variant.blocks,
            lambda channels, stride: basic(channels, out_channels, stride),
        )

    block = make_block(variant.mechanism, 128, num_classes, assignment)
    return Network(
        stem=conv(3, 16, 3),
        stages=nn.Sequential(make_stage(16, 32, 1), make_stage(32, 64, 2), make_stage(64, 128, 2)),
        block=block,
        last_stage=make_stage(128, 128, 1),
        features=128,
        num_classes=num_classes,
        normalization=normalization,
    )
