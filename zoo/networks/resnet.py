"""RN26 and RN38: pre-activation bottleneck residual networks in four stages."""

from torch import nn

from zoo.images.preprocess import Normalization
from zoo.networks.blocks import make_block
from zoo.networks.network import Network, conv
from zoo.networks.residual import stage
from zoo.registry import AssignmentName, Variant


def bottleneck(in_channels: int, mid_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """1x1 - 3x3 - 1x1 with the stride on the 3x3; the input is activated already."""
    return nn.Sequential(
        conv(in_channels, mid_channels, 1),
        nn.BatchNorm2d(mid_channels),
        nn.ReLU(),
        conv(mid_channels, mid_channels, 3, stride),
        nn.BatchNorm2d(mid_channels),
        nn.ReLU(),
        conv(mid_channels, out_channels, 1),
    )


def build(variant: Variant, num_classes: int, assignment: AssignmentName, normalization: Normalization) -> Network:
    """The residual network of a variant."""

    def make_stage(in_channels: int, out_channels: int, mid_channels: int, stride: int) -> nn.Sequential:
        return stage(
            in_channels,
            out_channels,
            stride,
            variant.blocks,
            lambda channels, stride: bottleneck(channels, mid_channels, out_channels, stride),
        )

    block = make_block(variant.mechanism, 128, num_classes, assignment)
    return Network(
        stem=conv(3, 16, 3),
        stages=nn.Sequential(make_stage(16, 64, 32, 1), make_stage(64, 128, 64, 2), make_stage(128, 128, 128, 2)),
        block=block,
        last_stage=make_stage(128, 256, 128, 1),
        features=256,
        num_classes=num_classes,
        normalization=normalization,
    )
