"""The loss of a step: cross-entropy of the image and, with weight lambda, the patch loss."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.distillation.loss import SoftTargets, distillation_loss
from training.patch_loss import PatchLoss, cross_entropy
from zoo.networks.network import Semantics


def has_patch_supervision(semantics: Semantics) -> bool:
    """Whether the patch logits have their own weights; class activation maps share the classifier's."""
    return semantics.source != "class activation map"


def semantic_loss(
    semantics: Semantics,
    targets: Tensor,
    patch_weight: float | Tensor,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    image_targets: Tensor | None = None,
    patch_targets: Tensor | None = None,
    patch_loss: PatchLoss = cross_entropy,
    soft_targets: SoftTargets | None = None,
) -> Tensor:
    """(1 - lambda) CE(class logits, y) + lambda / (w h) sum over patches of the patch loss, mean over images.

    With a teacher, (1 - w) CE + w distillation loss takes the place of CE.

    Arguments:
        semantics: a network's output for N images.
        targets: [N, C], the share of each class in the label y, summing to 1 per image.
        patch_weight: lambda, in 0..1. Variants without patch supervision have only the first term, with weight 1.
        label_smoothing: share of each label that is spread evenly over the classes.
        class_weights: [C], weights of the classes; see `balanced_weights`.
        image_targets: [N, C], targets of the class logits if they differ from those of the patches.
        patch_targets: [N, C, h, w], share of each patch's area that shows each class; None if all show the label.
        patch_loss: loss of the patch logits; the paper's is the cross-entropy.
        soft_targets: class probabilities of a teacher for the class logits; None without one.
    """
    image_loss = F.cross_entropy(
        semantics.logits.float(),
        targets if image_targets is None else image_targets,
        weight=class_weights,
        label_smoothing=label_smoothing,
    )
    if soft_targets is not None:
        distilled = distillation_loss(semantics.logits, soft_targets)
        image_loss = (1 - soft_targets.weight) * image_loss + soft_targets.weight * distilled
    if not has_patch_supervision(semantics):
        return image_loss
    patch_logits = semantics.patch_logits.float()
    if patch_targets is None:
        patch_targets = targets[:, :, None, None].expand_as(patch_logits)
    loss = patch_loss(patch_logits, patch_targets, label_smoothing=label_smoothing, class_weights=class_weights)
    return (1 - patch_weight) * image_loss + patch_weight * loss


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights [C] inversely proportional to each class's number of images, with mean 1 over images; 0 if it has
    none."""
    counts = torch.bincount(labels, minlength=classes).float()
    present = int((counts > 0).sum())
    return torch.where(counts > 0, len(labels) / (present * counts.clamp(min=1)), 0)
