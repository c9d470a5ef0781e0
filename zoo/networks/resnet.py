"""Pre-activation residual networks in four stages: RN26 and RN38 of bottleneck blocks, WRN16 of wide basic blocks."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from zoo.images.preprocess import Normalization
from zoo.networks.blocks import make_block
from zoo.networks.matching import SoftMatching
from zoo.networks.network import Network, conv
from zoo.registry import AssignmentName, Variant


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
    """`blocks` residual blocks, the first of which changes channels and size.

    Arguments:
        body: creates a block's body from its number of input channels and its stride.
    """
    first = PreActivationBlock(in_channels, out_channels, stride, body(in_channels, stride))
    others = [PreActivationBlock(out_channels, out_channels, 1, body(out_channels, 1)) for _ in range(blocks - 1)]
    return nn.Sequential(first, *others)


def bottleneck(
    in_channels: int, mid_channels: int, out_channels: int, stride: int, soft: bool = False
) -> nn.Sequential:
    """1x1 - 3x3 - 1x1 with the stride on the 3x3; its input is already activated.

    Arguments:
        in_channels, mid_channels, out_channels: channels before, between and after the convolutions.
        stride: stride of the 3x3 convolution.
        soft: whether a softmax with a slack, instead of BN-ReLU, is between the 3x3 and the last convolution.
    """
    matching = [SoftMatching(mid_channels)] if soft else [nn.BatchNorm2d(mid_channels), nn.ReLU()]
    return nn.Sequential(
        conv(in_channels, mid_channels, 1),
        nn.BatchNorm2d(mid_channels),
        nn.ReLU(),
        conv(mid_channels, mid_channels, 3, stride),
        *matching,
        conv(mid_channels, out_channels, 1),
    )


def basic(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """3x3 - 3x3 with the stride on the first; its input is already activated."""
    return nn.Sequential(
        conv(in_channels, out_channels, 3, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        conv(out_channels, out_channels, 3),
    )


def wide_stage(in_channels: int, out_channels: int, stride: int, blocks: int) -> nn.Sequential:
    """`blocks` residual blocks of two 3x3 convolutions, the first of which changes channels and size."""
    return stage(
        in_channels, out_channels, stride, blocks, lambda channels, stride: basic(channels, out_channels, stride)
    )


def build(
    variant: Variant,
    num_classes: int,
    assignment: AssignmentName,
    normalization: Normalization,
    templates: int = 1,
    *,
    soft: bool = False,
) -> Network:
    """Bottleneck network of a variant; `soft` as for `bottleneck`."""

    def make_stage(in_channels: int, out_channels: int, mid_channels: int, stride: int) -> nn.Sequential:
        return stage(
            in_channels,
            out_channels,
            stride,
            variant.blocks,
            lambda channels, stride: bottleneck(channels, mid_channels, out_channels, stride, soft),
        )

    block = make_block(variant.mechanism, 128, num_classes, assignment, templates)
    return Network(
        stem=conv(3, 16, 3),
        stages=nn.Sequential(make_stage(16, 64, 32, 1), make_stage(64, 128, 64, 2), make_stage(128, 128, 128, 2)),
        block=block,
        last_stage=make_stage(128, 256, 128, 1),
        channels={"stem": 16, "stages.0": 64, "stages.1": 128, "stages.2": 128, "last_stage": 256},
        num_classes=num_classes,
        normalization=normalization,
    )


def build_soft(
    variant: Variant, num_classes: int, assignment: AssignmentName, normalization: Normalization, templates: int = 1
) -> Network:
    """Bottleneck network with a softmax in place of the BN-ReLU after every 3x3 convolution; a control."""
    return build(variant, num_classes, assignment, normalization, templates, soft=True)


def build_wide(
    variant: Variant, num_classes: int, assignment: AssignmentName, normalization: Normalization, templates: int = 1
) -> Network:
    """Wide network of a variant: basic blocks, twice as wide as those of the original residual network."""

    make_stage = partial(wide_stage, blocks=variant.blocks)
    block = make_block(variant.mechanism, 128, num_classes, assignment, templates)
    return Network(
        stem=conv(3, 16, 3),
        stages=nn.Sequential(make_stage(16, 32, 1), make_stage(32, 64, 2), make_stage(64, 128, 2)),
        block=block,
        last_stage=make_stage(128, 128, 1),
        channels={"stem": 16, "stages.0": 32, "stages.1": 64, "stages.2": 128, "last_stage": 128},
        num_classes=num_classes,
        normalization=normalization,
    )
