import math

import pytest
import torch
from torch.nn import functional as F

from training.loss import balanced_weights, has_patch_supervision, semantic_loss
from zoo.networks.network import Semantics
from zoo.registry import SemanticSource

LABELS = torch.tensor([2, 0])
TARGETS = F.one_hot(LABELS, 3).float()


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
    assert float(semantic_loss(answer, TARGETS, patch_weight)) == pytest.approx(by_hand(answer, patch_weight), rel=1e-5)


@pytest.mark.parametrize("patch_weight", [0, 0.25, 0.5])
def test_class_activation_maps_are_not_supervised(patch_weight: float) -> None:
    answer = semantics("class activation map")
    assert float(semantic_loss(answer, TARGETS, patch_weight)) == pytest.approx(by_hand(answer, 0), rel=1e-5)


def test_the_loss_of_half_precision_answers_is_in_single_precision() -> None:
    exact = semantics("semantic block")
    half = exact._replace(logits=exact.logits.bfloat16(), patch_logits=exact.patch_logits.bfloat16())
    loss = semantic_loss(half, TARGETS, 0.25)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(by_hand(half, 0.25), rel=1e-5)


@pytest.mark.parametrize(
    ("source", "supervised"), [("semantic block", True), ("auxiliary head", True), ("class activation map", False)]
)
def test_patch_supervision(source: SemanticSource, supervised: bool) -> None:
    assert has_patch_supervision(semantics(source)) is supervised


def test_smoothing_spreads_a_part_of_the_label() -> None:
    answer = semantics("semantic block")
    smoothed = 0.7 * TARGETS + 0.1
    expected = semantic_loss(answer, smoothed, 0.25)
    torch.testing.assert_close(semantic_loss(answer, TARGETS, 0.25, label_smoothing=0.3), expected)


def test_the_loss_of_mixed_labels_is_the_mixed_loss() -> None:
    answer = semantics("semantic block")
    mixed = semantic_loss(answer, torch.lerp(TARGETS, TARGETS.flip(0), 0.3), 0.25)
    parts = semantic_loss(answer, TARGETS, 0.25), semantic_loss(answer, TARGETS.flip(0), 0.25)
    torch.testing.assert_close(mixed, torch.lerp(*parts, 0.3))


def test_the_image_may_have_another_label_than_its_patches() -> None:
    answer = semantics("semantic block")
    other = TARGETS.flip(0)
    loss = semantic_loss(answer, TARGETS, 0.25, image_targets=other)
    image_only = semantic_loss(answer, other, 0.0) - semantic_loss(answer, TARGETS, 0.0)
    torch.testing.assert_close(loss, semantic_loss(answer, TARGETS, 0.25) + 0.75 * image_only)


def test_weights_of_classes() -> None:
    """An image's terms count by its class's weight; the mean is over the images, whatever they weigh."""
    answer = semantics("semantic block")
    weights = torch.tensor([2.0, 7.0, 0.5])
    images = [
        semantic_loss(
            Semantics(answer.logits[i : i + 1], answer.patch_logits[i : i + 1], None, answer.source),
            TARGETS[i : i + 1],
            0.25,
        )
        for i in (0, 1)
    ]
    expected = (0.5 * images[0] + 2.0 * images[1]) / 2
    torch.testing.assert_close(semantic_loss(answer, TARGETS, 0.25, class_weights=weights), expected)


def test_balanced_weights_make_classes_count_the_same() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10 + [3] * 20)
    weights = balanced_weights(labels, 4)
    assert (weights * torch.bincount(labels)).tolist() == pytest.approx([20, 20, 0, 20])
    assert float(weights[labels].mean()) == pytest.approx(1)
