"""The paper's loss: cross-entropy of the image and, with weight lambda, of every patch with the image's label."""

from torch import Tensor
from torch.nn import functional as F

from zoo.network import Semantics


def has_patch_supervision(semantics: Semantics) -> bool:
    """Whether the patch logits have weights of their own; class activation maps share the classifier's."""
    return semantics.source != "class activation map"


def semantic_loss(semantics: Semantics, labels: Tensor, patch_weight: float) -> Tensor:
    """(1 - lambda) CE(class logits, y) + lambda / (w h) sum over patches of CE(patch logits, y), mean over images.

    Arguments:
        semantics: a network's answer for N images.
        labels: [N], class numbers y.
        patch_weight: lambda, in 0..1. Variants without patch supervision have the first term alone, with weight 1.
    """
    image_loss = F.cross_entropy(semantics.logits.float(), labels)
    if not has_patch_supervision(semantics):
        return image_loss
    patch_logits = semantics.patch_logits.float()
    patch_labels = labels[:, None, None].expand(-1, *patch_logits.shape[2:])
    return (1 - patch_weight) * image_loss + patch_weight * F.cross_entropy(patch_logits, patch_labels)
