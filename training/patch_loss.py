"""Losses of the patch logits: the paper's, and one that lets a patch show nothing of its image's class.

Both take the share of each patch's area that shows each class, [N, C, h, w]; what is missing to 1 shows a background
without label. Without composition (`training.composition`) every patch has the label of its image.
"""

from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipe import Recipe
from zoo.networks.mass import solve_mass


class PatchLoss(Protocol):
    """Mean loss of patch logits [N, C, h, w] for targets [N, C, h, w]."""

    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Arguments:
            logits: patch logits in single precision.
            targets: share of the patch's area that shows each class; sums to at most 1.
            label_smoothing: share of each label that is spread evenly over the classes.
            class_weights: [C], weights of the classes.
        """


def cross_entropy(
    logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """The paper's loss: cross-entropy of each patch against the image's label.

    Background counts nothing, and every image counts the same however much of it there is.
    """
    labelled = targets.sum(dim=1, keepdim=True)
    loss = F.cross_entropy(
        logits,
        targets / labelled.clamp(min=torch.finfo(targets.dtype).tiny),
        weight=class_weights,
        label_smoothing=label_smoothing,
        reduction="none",
    )
    area = labelled[:, 0]
    return ((loss * area).sum(dim=(1, 2)) / area.sum(dim=(1, 2))).mean()


def slack_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    shares: tuple[float, float] = (0.2, 0.8),
) -> Tensor:
    """Cross-entropy with a hidden label: a patch shows a class of its image, or nothing.

    With p = softmax over {none, 1..C} of {0, logits} and q the share of `none`,

        loss = -mean(r log p_y + (1 - r) log q),   r = sigmoid(log p_y - log q + nu), without gradient:

    r is the probability that the patch shows the object of class y. The offset nu is 0 while an image's mean r is
    between the two `shares`, and else takes the mean to the nearer of them. Neither "everything is object" nor
    "nothing is" is then a minimum, and easy images do not use up what others need. A patch that shows only background
    has r = 0.

    With targets of several classes (CutMix, mixup), log p_y is that of their mixture, log sum_c t_c p_c, and r is
    divided among them as t_c p_c. Label smoothing spreads a part of r evenly over the classes. A class weight counts
    for all patches of its image, those that show nothing too.

    Arguments:
        logits: patch logits, [N, C, h, w].
        targets: share of each patch's area that shows each class, [N, C, h, w].
        label_smoothing: share of each label that is spread evenly over the classes.
        class_weights: [C], weights of the classes.
        shares: minimum and maximum mean of r over the patches of an image that are not only background.
    """
    log_shares = F.pad(logits, (0, 0, 0, 0, 0, 1)).log_softmax(dim=1)
    log_classes, log_none = log_shares[:, :-1], log_shares[:, -1]
    with torch.no_grad():
        responsibility = _responsibility(log_classes, log_none, targets, shares)
        total = responsibility.sum(dim=1)
        smoothed = (1 - label_smoothing) * responsibility + label_smoothing * total[:, None] / logits.shape[1]
    loss = -(smoothed * log_classes).sum(dim=1) - (1 - total) * log_none
    if class_weights is None:
        return loss.mean()
    labels = targets.sum(dim=(2, 3))
    weights = (labels * class_weights).sum(dim=1) / labels.sum(dim=1)
    return (loss.mean(dim=(1, 2)) * weights).mean()


def _responsibility(log_classes: Tensor, log_none: Tensor, targets: Tensor, shares: tuple[float, float]) -> Tensor:
    """Probability [N, C, h, w] that a patch shows each class of its image; what is missing to 1 is for `none`."""
    joint = targets.log() + log_classes  # -inf for other classes
    evidence = joint.logsumexp(dim=1)
    labelled = torch.isfinite(evidence)
    scores = (evidence - log_none).masked_fill(~labelled, 0).flatten(1)
    counted = labelled.flatten(1).to(scores.dtype)
    mean = (counted * scores.sigmoid()).sum(dim=1) / counted.sum(dim=1)
    nu = solve_mass(scores, mean.clamp(*shares), counted)
    total = (counted * (scores + nu[:, None]).sigmoid()).view_as(evidence)
    divided = (joint - evidence[:, None]).exp().masked_fill(~labelled[:, None], 0)
    return total[:, None] * divided


def make_patch_loss(recipe: Recipe) -> PatchLoss:
    """The patch loss of a recipe."""
    if recipe.patch_loss == "paper":
        return cross_entropy
    return partial(slack_cross_entropy, shares=(recipe.min_object_share, recipe.max_object_share))
