"""What stands before the last stage: the semantic block, the per-patch supervision alone, or nothing.

All three map features x [N, d, h, w] to a `Tap`: the features that go on, and what was learned about each patch.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo.matching import make_assignment
from zoo.registry import AssignmentName, Mechanism


class Tap(NamedTuple):
    """What a block returns for features [N, d, h, w] and C classes."""

    features: Tensor
    """[N, d', h, w], the input of the last stage."""
    patch_logits: Tensor | None
    """[N, C, h, w], the similarity of each patch to each class template; trained with the image's label."""
    assignment: Tensor | None
    """[N, C + 1, h, w], the share of each class in the patch, `none` last."""


class PassThrough(nn.Module):
    """No block: the plain variants."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tap:
        return Tap(x, None, None)


class AuxiliaryHead(nn.Module):
    """The per-patch supervision without the block: x passes unchanged."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.keys = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tap:
        return Tap(x, self.keys(x), None)


class SemanticBlock(nn.Module):
    """Assigns each 3x3 patch to class templates and re-embeds it as a mixture of class vectors.

    The keys are the class templates, supervised at every location by the image's label; the values are the semantic
    vectors. The mixture is added to x, or (`concat`) compressed to an eighth of its channels and concatenated to x.

    The depthwise and pointwise encoder of the 3x3 patch, the `none` entry with logit 0 and the residual form are this
    project's reading of the paper, which fixes only the parameter counts.
    """

    def __init__(
        self, channels: int, num_classes: int, *, concat: bool = False, assignment: AssignmentName = "softmax"
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.keys = nn.Conv2d(channels, num_classes, 1)
        self.assign = make_assignment(assignment, num_classes)
        self.values = nn.Conv2d(num_classes, channels, 1, bias=False)
        self.compress = nn.Conv2d(channels, channels // 8, 1, bias=False) if concat else None
        self.out_channels = channels + channels // 8 if concat else channels

    def forward(self, x: Tensor) -> Tap:
        patch_logits = self.keys(self.pointwise(self.depthwise(x)))
        assignment = self.assign(patch_logits)
        mixture = self.values(assignment[:, :-1])
        features = x + mixture if self.compress is None else torch.cat([x, self.compress(mixture)], dim=1)
        return Tap(features, patch_logits, assignment)


Block = PassThrough | AuxiliaryHead | SemanticBlock


def make_block(mechanism: Mechanism, channels: int, num_classes: int, assignment: AssignmentName) -> Block:
    """The block of a variant for features of `channels` channels."""
    if mechanism == "plain":
        return PassThrough(channels)
    if mechanism == "aux":
        return AuxiliaryHead(channels, num_classes)
    return SemanticBlock(channels, num_classes, concat=mechanism == "concat", assignment=assignment)
