"""The distillation loss: how far a student's softened class probabilities are from the teacher's."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


class SoftTargets(NamedTuple):
    """Class probabilities of a teacher, and their part in the loss."""

    probabilities: Tensor
    """[N, C], softmax(logits / temperature)."""
    temperature: float
    weight: float
    """Share of the distillation loss in the image loss; the cross-entropy has the rest."""


def distillation_loss(logits: Tensor, targets: SoftTargets) -> Tensor:
    """T^2 KL(teacher || student) of probabilities softened by the temperature T, mean over images.

    The factor T^2 keeps the gradient's size independent of T (Hinton, Vinyals and Dean, *Distilling the Knowledge in a
    Neural Network*, 2015).

    Arguments:
        logits: [N, C], the student's class logits.
        targets: the teacher's probabilities.
    """
    temperature = targets.temperature
    student = F.log_softmax(logits.float() / temperature, dim=1)
    return temperature**2 * F.kl_div(student, targets.probabilities, reduction="batchmean")
