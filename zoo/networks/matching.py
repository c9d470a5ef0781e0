"""Template matching: scores of K templates -> an assignment of each patch -> a mixture of class vectors.

Picking the best of K templates, or none of them when none beats a slack mu, is the linear programme

    max over p, q >= 0 with q + sum_k p_k = 1 of   q mu + sum_k p_k a_k

for scores a_k. With an entropy term of weight epsilon its solution is a softmax over the K scores and one more entry,
`none`, for the slack (Görgün, Gürbüz, Alatan, BMVC 2022). Every assignment below is a module

    scores [N, K, h, w]  ->  assignment [N, K + 1, h, w],   the `none` entry last,

with 2K parameters, a factor and an offset per template: in `SlackSoftmax`, an inverse temperature `gamma` and a
negative slack `beta`.

With M templates for each of C classes, K = C * M, and template m of class c has the index c * M + m. The functions at
the end convert between templates and classes.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from zoo.errors import InputError, UnknownNameError
from zoo.registry import AssignmentName


class SlackSoftmax(nn.Module):
    """Softmax over {none, 1..K} of {none_logit, gamma_k a_k + beta_k}: it sums to 1 over its K + 1 entries.

    Arguments:
        templates: K.
        none_logit: logit of `none`. With -inf there is no slack: `none` is never chosen, and a constant added to all of
            `beta` changes nothing; kept for comparison. It is part of the state, since it affects the output.
    """

    none_logit: Tensor

    def __init__(self, templates: int, none_logit: float = 0.0) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(templates))
        self.beta = nn.Parameter(torch.zeros(templates))
        self.register_buffer("none_logit", torch.tensor(none_logit))

    def forward(self, scores: Tensor) -> Tensor:
        logits = torch.addcmul(self.beta[:, None, None], scores, self.gamma[:, None, None])
        none = self.none_logit.to(logits.dtype).expand_as(logits[:, :1])
        return torch.cat([logits, none], dim=1).softmax(dim=1)


class SoftMatching(nn.Module):
    """Soft matching of K templates, in place of the BN-ReLU between two convolutions: responses [N, K, h, w] to shares.

    The paper's second reading of its method: no batch statistics are used. Shares are multiplied by K, so that their
    strength does not depend on the number of templates, as that of BN-ReLU does not.
    """

    def __init__(self, templates: int) -> None:
        super().__init__()
        self.assign = SlackSoftmax(templates)
        self.templates = templates

    def forward(self, responses: Tensor) -> Tensor:
        return self.templates * self.assign(responses)[:, :-1]


class BatchNormRelu(nn.Module):
    """ReLU(BN(a)), as in a convolution block, instead of the softmax; kept for comparison.

    Batch statistics set the slack and the temperature, and the ReLU drops what does not beat the slack. The entries
    are not a distribution; `none` is 1 minus their sum, or 0 if the sum is larger.
    """

    def __init__(self, templates: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(templates)

    def forward(self, scores: Tensor) -> Tensor:
        matched = self.norm(scores).relu()
        none = (1 - matched.sum(dim=1, keepdim=True)).relu()
        return torch.cat([matched, none], dim=1)


ASSIGNMENTS: Mapping[AssignmentName, Callable[[int], nn.Module]] = {
    "softmax": SlackSoftmax,
    "softmax_no_slack": partial(SlackSoftmax, none_logit=-math.inf),
    "bn_relu": BatchNormRelu,
}
"""Assignments by name; `zoo.registry.AssignmentName` has the same names for code without torch."""


def make_assignment(name: AssignmentName, templates: int) -> nn.Module:
    """The assignment called `name` for `templates` templates.

    Raises:
        UnknownNameError: there is no such assignment.
    """
    if name not in ASSIGNMENTS:
        raise UnknownNameError("assignment", name, ASSIGNMENTS)
    return ASSIGNMENTS[name](templates)


def assignment_name(module: nn.Module) -> AssignmentName:
    """Name of an assignment, by its type and its slack.

    Raises:
        InputError: there is none of this type.
    """
    for name in ASSIGNMENTS:
        like = make_assignment(name, 1)
        if type(module) is type(like) and _slack(module) == _slack(like):
            return name
    raise InputError(f"the assignment {type(module).__name__} is none of {', '.join(ASSIGNMENTS)}")


def _slack(module: nn.Module) -> float | None:
    return module.none_logit.item() if isinstance(module, SlackSoftmax) else None


def class_scores(scores: Tensor, templates: int) -> Tensor:
    """Class logits [N, C, h, w] of scores [N, C * M, h, w] with M = `templates` per class: the log of the summed
    exponentials, whose softmax over the classes is the sum of the softmax over their templates.
    """
    if templates == 1:
        return scores
    # Written out, so that an ONNX file needs no operator that some execution providers lack.
    by_class = torch.unflatten(scores, 1, (-1, templates))
    highest = by_class.detach().amax(dim=2, keepdim=True)
    return (by_class - highest).exp().sum(dim=2).log() + highest.squeeze(2)


def sum_templates(assignment: Tensor, templates: int) -> Tensor:
    """Assignment to classes, [N, C + 1, h, w], of one to templates, [N, C * M + 1, h, w]; `none` is last in both."""
    if templates == 1:
        return assignment
    by_class = torch.unflatten(assignment[:, :-1], 1, (-1, templates))
    return torch.cat([by_class.sum(dim=2), assignment[:, -1:]], dim=1)


def spread_classes(assignment: Tensor, templates: int) -> Tensor:
    """Assignment to templates, [N, C * M + 1, h, w], in which those of a class have equal parts of its share."""
    if templates == 1:
        return assignment
    shares = assignment[:, :-1].repeat_interleave(templates, dim=1) / templates
    return torch.cat([shares, assignment[:, -1:]], dim=1)
