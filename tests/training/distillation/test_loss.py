import math

import pytest
import torch

from training.distillation.loss import SoftTargets, distillation_loss
from training.loss import semantic_loss
from zoo.networks.network import Semantics

STUDENT, TEACHER = torch.tensor([[1.0, 3.0], [0.5, -2.0]]), torch.tensor([[0.0, 2.0], [1.0, 1.0]])


def softened(logits: list[float], temperature: float) -> list[float]:
    weights = [math.exp(logit / temperature) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def by_hand(temperature: float) -> float:
    """T^2 sum_k p_k log(p_k / q_k), image by image."""
    total = 0.0
    for student, teacher in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True):
        pairs = zip(softened(teacher, temperature), softened(student, temperature), strict=True)
        total += sum(p * math.log(p / q) for p, q in pairs)
    return temperature**2 * total / len(STUDENT)


def targets(temperature: float, weight: float = 0.9) -> SoftTargets:
    return SoftTargets(torch.softmax(TEACHER / temperature, dim=1), temperature, weight)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_it_is_the_divergence_of_softened_probabilities(temperature: float) -> None:
    assert float(distillation_loss(STUDENT, targets(temperature))) == pytest.approx(by_hand(temperature), rel=1e-5)


def test_it_is_zero_for_a_student_with_the_teacher_s_logits() -> None:
    shifted = TEACHER + torch.tensor([[5.0], [-3.0]])  # which leaves the probabilities alone
    assert float(distillation_loss(shifted, targets(4.0))) == pytest.approx(0, abs=1e-5)


def test_a_class_that_the_teacher_excludes() -> None:
    certain = SoftTargets(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 1.0, 0.9)
    expected = torch.nn.functional.cross_entropy(STUDENT, torch.tensor([1, 0]))
    torch.testing.assert_close(distillation_loss(STUDENT, certain), expected)


@pytest.mark.parametrize("patch_weight", [0.0, 0.25])
def test_it_takes_its_part_of_the_image_loss_alone(patch_weight: float) -> None:
    answer = Semantics(STUDENT, torch.zeros(2, 2, 3, 3), None, "semantic block")
    labels = torch.eye(2)
    image, patches = semantic_loss(answer, labels, 0.0), semantic_loss(answer, labels, 1.0)
    loss = semantic_loss(answer, labels, patch_weight, soft_targets=targets(4.0, 0.7))
    expected = (1 - patch_weight) * (0.3 * image + 0.7 * by_hand(4.0)) + patch_weight * patches
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
