"""DN100: DenseNet-BC-100 with growth rate 12 (Huang et al., 2017) and a fourth stage without a transition before it."""

import torch
from torch import Tensor, nn

from zoo.images.preprocess import Normalization
from zoo.networks.blocks import make_block
from zoo.networks.network import Network, conv
from zoo.registry import AssignmentName, Variant

GROWTH = 12
STEM = 2 * GROWTH


class DenseLayer(nn.Module):
    """BN-ReLU-1x1-BN-ReLU-3x3 to `GROWTH` new channels, concatenated to the input."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            conv(in_channels, 4 * GROWTH, 1),
            nn.BatchNorm2d(4 * GROWTH),
            nn.ReLU(),
            conv(4 * GROWTH, GROWTH, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], dim=1)


def dense_stage(in_channels: int, layers: int) -> nn.Sequential:
    """`layers` dense layers, with `in_channels + layers * GROWTH` output channels."""
    return nn.Sequential(*(DenseLayer(in_channels + i * GROWTH) for i in range(layers)))


def transition(in_channels: int) -> nn.Sequential:
    """Transition to half the channels at half the resolution."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels), nn.ReLU(), conv(in_channels, in_channels // 2, 1), nn.AvgPool2d(2)
    )


def build(
    variant: Variant, num_classes: int, assignment: AssignmentName, normalization: Normalization, templates: int = 1
) -> Network:
    """DenseNet of a variant."""
    grown = variant.blocks * GROWTH
    first = STEM + grown
    second = first // 2 + grown
    third = second // 2 + grown
    block = make_block(variant.mechanism, third, num_classes, assignment, templates)
    return Network(
        stem=conv(3, STEM, 3),
        stages=nn.Sequential(
            dense_stage(STEM, variant.blocks),
            transition(first),
            dense_stage(first // 2, variant.blocks),
            transition(second),
            dense_stage(second // 2, variant.blocks),
        ),
        block=block,
        last_stage=dense_stage(block.out_channels, variant.blocks),
        channels={
            "stem": STEM,
            "stages.0": first,
            "stages.2": second,
            "stages.4": third,
            "last_stage": block.out_channels + grown,
        },
        num_classes=num_classes,
        normalization=normalization,
    )
