import math

import pytest
import torch

from training.loss import has_patch_supervision, semantic_loss
from zoo.network import Semantics
from zoo.registry import SemanticSource

LABELS = torch.tensor([2, 0])


def semantics(source: SemanticSource) -> Semantics:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, generator=generator)
    patch_logits = torch.randn(2, 3, 4, 5, generator=generator)
    return Semantics(logits, patch_logits, None, source)


def cross_entropy(logits: list[float], label: int) -> float:
    return math.log(sum(math.exp(value) for value in logits)) - logits[label]


def by_hand(answer: Semantics, patch_weight: float) -> float:
    """The paper's formula, image by image and patch by patch."""
    total = 0.0
    for image, label in enumerate(LABELS.tolist()):
        patches = [
            cross_entropy(answer.patch_logits[image, :, row, column].tolist(), label)
            for row in range(4)
            for column in range(5)
        ]
        total += (1 - patch_weight) * cross_entropy(answer.logits[image].tolist(), label)
        total += patch_weight / (4 * 5) * sum(patches)
    return total / len(LABELS)


@pytest.mark.parametrize("patch_weight", [0, 0.25, 0.5])
@pytest.mark.parametrize("source", ["semantic block", "auxiliary head"])
def test_the_loss_is_the_papers(source: SemanticSource, patch_weight: float) -> None:
    answer = semantics(source)
    assert float(semantic_loss(answer, LABELS, patch_weight)) == pytest.approx(by_hand(answer, patch_weight), rel=1e-5)


@pytest.mark.parametrize("patch_weight", [0, 0.25, 0.5])
def test_class_activation_maps_are_not_supervised(patch_weight: float) -> None:
    answer = semantics("class activation map")
    assert float(semantic_loss(answer, LABELS, patch_weight)) == pytest.approx(by_hand(answer, 0), rel=1e-5)


def test_the_loss_of_half_precision_answers_is_in_single_precision() -> None:
    exact = semantics("semantic block")
    half = exact._replace(logits=exact.logits.bfloat16(), patch_logits=exact.patch_logits.bfloat16())
    loss = semantic_loss(half, LABELS, 0.25)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(by_hand(half, 0.25), rel=1e-5)


@pytest.mark.parametrize(
    ("source", "supervised"), [("semantic block", True), ("auxiliary head", True), ("class activation map", False)]
)
def test_patch_supervision(source: SemanticSource, supervised: bool) -> None:
    assert has_patch_supervision(semantics(source)) is supervised
