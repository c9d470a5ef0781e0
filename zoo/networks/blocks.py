"""Blocks before the last stage: the semantic block, patch supervision alone, none, or a control.

Each maps features x [N, d, h, w] to a `Tap`: the features for the last stage, patch logits and assignment.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import InputError
from zoo.networks.matching import (
    SlackSoftmax,
    assignment_name,
    class_scores,
    make_assignment,
    spread_classes,
    sum_templates,
)
from zoo.registry import AssignmentName, Mechanism


class Tap(NamedTuple):
    """Output of a block for features [N, d, h, w] and C classes with M templates each."""

    features: Tensor
    """[N, d', h, w], the input of the last stage."""
    patch_logits: Tensor | None
    """[N, C, h, w], the similarity of each patch to the templates of each class; trained with the image's label."""
    assignment: Tensor | None
    """[N, C + 1, h, w], the share of each class in the patch, `none` last."""
    templates: Tensor | None = None
    """[N, C * M + 1, h, w], the share of each template, class by class, `none` last; None where M = 1."""


class PassThrough(nn.Module):
    """No block: the plain variants."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels

    def reset_classes(self, num_classes: int) -> None:
        """Do nothing: nothing here depends on the classes."""

    def forward(self, x: Tensor) -> Tap:
        return Tap(x, None, None)


class AuxiliaryHead(nn.Module):
    """Patch supervision without the semantic block: x passes unchanged."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.reset_classes(num_classes)

    def reset_classes(self, num_classes: int) -> None:
        """Replace the keys by new ones for `num_classes` classes."""
        self.keys = nn.Conv2d(self.out_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tap:
        return Tap(x, self.keys(x), None)


class Encoder(nn.Sequential):
    """Features of the 3x3 patch around each location: a depthwise 3x3 and a 1x1 convolution, without bias.

    It is linear and starts as the identity, so that the supervision of the patches reaches x as directly as without it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
        self.reset_parameters()

    @property
    def depthwise(self) -> nn.Conv2d:
        return cast(nn.Conv2d, self[0])

    @property
    def pointwise(self) -> nn.Conv2d:
        return cast(nn.Conv2d, self[1])

    def reset_parameters(self) -> None:
        """Reset the convolutions to the identity."""
        nn.init.dirac_(self.depthwise.weight, groups=self.depthwise.groups)
        nn.init.dirac_(self.pointwise.weight)


class SemanticBlock(nn.Module):
    """Assigns each 3x3 patch to class templates and re-embeds it as a mixture of class vectors.

    The keys are the class templates, supervised at every location by the image's label; the values are the class
    vectors. The mixture is added to x, or (`concat`) compressed to an eighth of its channels and concatenated to x.

    With M > 1 templates per class, each has a key and a vector of its own, so that parts of an object can differ. The
    label supervises the class only: its logit is the log of the summed exponentials of its templates' scores, and its
    share the sum of their shares. Which template a patch takes is not supervised.

    The class vectors have mean 0 over all templates and a fixed strength: weight decay cannot shrink them relative to
    the features they are added to, and "no match" and "all classes alike" add exactly zero. (The strength cannot be
    fixed per channel: with two classes, only signs would be left to learn.)

    The encoder, the `none` entry with logit 0, the fixed strength and the residual form are this project's
    reading of the paper, which fixes only the parameter counts.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        *,
        concat: bool = False,
        assignment: AssignmentName = "softmax",
        templates: int = 1,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.templates = templates
        self.encoder = Encoder(channels)
        self._make_classes(num_classes, assignment)
        self.compress = nn.Conv2d(channels, channels // 8, 1, bias=False) if concat else None
        self.out_channels = channels + channels // 8 if concat else channels

    def _make_classes(self, num_classes: int, assignment: AssignmentName) -> None:
        count = num_classes * self.templates
        self.keys = nn.Conv2d(self.channels, count, 1)
        self.assign = make_assignment(assignment, count)
        self.values = nn.Conv2d(count, self.channels, 1, bias=False)

    def reset_classes(self, num_classes: int) -> None:
        """Replace keys, assignment and values by new ones for `num_classes` classes, with as many templates each."""
        self._make_classes(num_classes, assignment_name(self.assign))

    def class_vectors(self) -> Tensor:
        """Class vectors [d, C * M], with mean 0 over the templates in each channel and root mean square 1 overall."""
        values = self.values.weight.flatten(1)
        centred = values - values.mean(dim=1, keepdim=True)
        return centred * (centred.square().mean() + 1e-12).rsqrt()

    def mixture(self, assignment: Tensor) -> Tensor:
        """Class vectors weighted by an assignment to templates, [N, C * M + 1, h, w], `none` last: [N, d, h, w]."""
        return F.conv2d(assignment[:, :-1], self.class_vectors()[:, :, None, None])

    def fix_assignment(self) -> None:
        """Move factors and offsets of the softmax into the keys, and freeze them: the assignment is then the softmax of
        the patch logits themselves, with `none` at 0.

        Raises:
            InputError: the assignment is not the softmax with a slack.
        """
        assign, keys = self.assign, self.keys
        if not (isinstance(assign, SlackSoftmax) and assign.none_logit == 0 and keys.bias is not None):
            raise InputError("the slack loss needs assignment = softmax: the others have no entry for nothing")
        with torch.no_grad():
            keys.weight.mul_(assign.gamma[:, None, None, None])
            keys.bias.mul_(assign.gamma).add_(assign.beta)
            assign.gamma.fill_(1)
            assign.beta.zero_()
        assign.requires_grad_(False)

    def forward(self, x: Tensor, assignment: Tensor | None = None, source: Tensor | None = None) -> Tap:
        """Apply the block to features [N, d, h, w].

        Arguments:
            x: the features.
            assignment: used instead of the block's own: of classes, [N, C + 1, h, w], spread evenly over the templates
                of each, or of templates, [N, C * M + 1, h, w]; `none` last.
            source: [N], index of the image whose assignment each image uses; None for its own.
        """
        scores = self.keys(self.encoder(x))
        if assignment is None:
            assignment = self.assign(scores)
        elif assignment.shape[1] - 1 != scores.shape[1]:
            assignment = spread_classes(assignment, self.templates)
        if source is not None:
            assignment = assignment[source]
        mixture = self.mixture(assignment)
        features = x + mixture if self.compress is None else torch.cat([x, self.compress(mixture)], dim=1)
        return make_tap(features, scores, assignment, self.templates)


def make_tap(features: Tensor, scores: Tensor, assignment: Tensor, templates: int) -> Tap:
    """The tap of a block with M = `templates` per class.

    Arguments:
        features: input of the last stage.
        scores: [N, C * M, h, w], similarity of each patch to each template.
        assignment: [N, C * M + 1, h, w], share of each template, `none` last.
        templates: M.
    """
    return Tap(
        features,
        class_scores(scores, templates),
        sum_templates(assignment, templates),
        assignment if templates > 1 else None,
    )


class EncodedHead(nn.Module):
    """The semantic block without its feedback: the encoded patches are supervised, and x passes unchanged.

    A control: the difference from the semantic block is the effect of the mixture.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.encoder = Encoder(channels)
        self.reset_classes(num_classes)

    def reset_classes(self, num_classes: int) -> None:
        """Replace the keys by new ones for `num_classes` classes."""
        self.keys = nn.Conv2d(self.out_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tap:
        return Tap(x, self.keys(self.encoder(x)), None)


class ConvolutionBlock(nn.Module):
    """The 3x3-BN-ReLU-1x1 residual block that the semantic block replaces, of the same size, with unsupervised
    templates.

    A control: the difference from the semantic block is the effect of its semantics.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.encoder = Encoder(channels)
        self.reset_classes(num_classes)

    def reset_classes(self, num_classes: int) -> None:
        """Replace keys, normalisation and values by new ones for `num_classes` templates."""
        self.keys = nn.Conv2d(self.out_channels, num_classes, 1, bias=False)
        self.assign = nn.BatchNorm2d(num_classes)
        self.values = nn.Conv2d(num_classes, self.out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tap:
        return Tap(x + self.values(self.assign(self.keys(self.encoder(x))).relu()), None, None)


Block = PassThrough | AuxiliaryHead | EncodedHead | ConvolutionBlock | SemanticBlock


def make_block(
    mechanism: Mechanism, channels: int, num_classes: int, assignment: AssignmentName, templates: int = 1
) -> Block:
    """The block of a variant for features of `channels` channels; only the semantic block has templates to count."""
    match mechanism:
        case "plain":
            return PassThrough(channels)
        case "aux":
            return AuxiliaryHead(channels, num_classes)
        case "encoded aux":
            return EncodedHead(channels, num_classes)
        case "convolution":
            return ConvolutionBlock(channels, num_classes)
        case "residual" | "concat":
            concat = mechanism == "concat"
            return SemanticBlock(channels, num_classes, concat=concat, assignment=assignment, templates=templates)
