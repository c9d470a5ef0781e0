import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.patch_loss import cross_entropy, make_patch_loss, slack_cross_entropy
from training.recipe import Recipe

LABELS = torch.tensor([2, 0])
FREE = (1e-6, 1 - 1e-6)
"""Shares between which the offset is always 0."""


def patch_logits(scale: float = 1.0) -> Tensor:
    return scale * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def whole() -> Tensor:
    """Targets of images whose patches all show the label."""
    return F.one_hot(LABELS, 3).float()[:, :, None, None].expand(-1, -1, 4, 5).clone()


def shares_of(logits: Tensor) -> Tensor:
    """[N, C + 1, h, w], `none` last."""
    return torch.cat([logits, torch.zeros_like(logits[:, :1])], dim=1).softmax(dim=1)


def test_background_counts_nothing_in_the_papers_loss() -> None:
    targets = whole()
    targets[0, :, :2] = 0
    parts = cross_entropy(patch_logits()[:1, :, 2:], whole()[:1, :, 2:]), cross_entropy(patch_logits()[1:], whole()[1:])
    torch.testing.assert_close(cross_entropy(patch_logits(), targets), torch.lerp(*parts, 0.5))


def test_a_patch_of_two_images_counts_by_area_in_the_papers_loss() -> None:
    targets = 0.25 * whole() + 0.75 * whole().flip(0)
    parts = cross_entropy(patch_logits(), whole()), cross_entropy(patch_logits(), whole().flip(0))
    torch.testing.assert_close(cross_entropy(patch_logits(), targets), torch.lerp(*parts, 0.75))


def test_without_bounds_the_gradient_is_that_of_the_marginal_likelihood() -> None:
    """A patch shows y or nothing: -log(p_y + q)."""
    logits, other = patch_logits().requires_grad_(), patch_logits().requires_grad_()
    slack_cross_entropy(logits, whole(), shares=FREE).backward()
    shares = shares_of(other)
    own = shares[torch.arange(2), LABELS]
    (-(own + shares[:, -1]).log().mean()).backward()
    assert logits.grad is not None
    assert other.grad is not None
    torch.testing.assert_close(logits.grad, other.grad)


@pytest.mark.parametrize(("level", "bound"), [(-9.0, 0.2), (9.0, 0.8)])
def test_the_mean_responsibility_stays_within_the_shares(level: float, bound: float) -> None:
    """The gradient of the loss by the logit of `none`, which is minus the sum over classes, is q - (1 - r)."""
    logits = (patch_logits(0.1) + level).requires_grad_()
    slack_cross_entropy(logits, whole(), shares=(0.2, 0.8)).backward()
    assert logits.grad is not None
    patches = logits.grad.sum(dim=1) * logits[:, 0].numel()  # (1 - q) - r
    matched = 1 - shares_of(logits.detach())[:, -1]
    torch.testing.assert_close((matched - patches).mean(dim=(1, 2)), torch.full((2,), bound), atol=1e-4, rtol=0)


def test_patches_of_only_background_must_show_nothing() -> None:
    targets = whole()
    targets[:, :, :2] = 0
    logits = patch_logits()
    none = -shares_of(logits)[:, -1].log()
    top = slack_cross_entropy(logits, targets, shares=FREE) * 20
    bottom = slack_cross_entropy(logits[:, :, 2:], whole()[:, :, 2:], shares=FREE) * 10
    torch.testing.assert_close(top, none[:, :2].sum(dim=(1, 2)).mean() + bottom)


def test_an_image_of_two_classes_is_divided_by_what_its_patches_look_like() -> None:
    logits = torch.zeros(1, 3, 1, 1)
    logits[0, :, 0, 0] = torch.tensor([2.0, 2.0 - math.log(4), -9.0])
    targets = torch.tensor([0.5, 0.5, 0.0])[None, :, None, None]
    shares = shares_of(logits)[0, :, 0, 0]
    p, q = 0.5 * (shares[0] + shares[1]), shares[3]
    r = p / (p + q)
    expected = -(r * (0.8 * shares[0].log() + 0.2 * shares[1].log()) + (1 - r) * q.log())
    torch.testing.assert_close(slack_cross_entropy(logits, targets, shares=FREE), expected)


def test_smoothing_spreads_a_part_of_the_responsibility() -> None:
    logits = patch_logits()
    shares = shares_of(logits)
    own = shares[torch.arange(2), LABELS]
    r = own / (own + shares[:, -1])
    even = -shares[:, :-1].log().mean(dim=1)
    expected = (r * (-0.7 * own.log() + 0.3 * even) - (1 - r) * shares[:, -1].log()).mean()
    torch.testing.assert_close(slack_cross_entropy(logits, whole(), label_smoothing=0.3, shares=FREE), expected)


def test_a_class_weight_counts_for_all_patches_of_its_images() -> None:
    logits, weights = patch_logits(), torch.tensor([0.5, 1, 3])
    each = [slack_cross_entropy(logits[i : i + 1], whole()[i : i + 1]) for i in (0, 1)]
    expected = (3 * each[0] + 0.5 * each[1]) / 2
    torch.testing.assert_close(slack_cross_entropy(logits, whole(), class_weights=weights), expected)


@pytest.mark.parametrize("scale", [0.0, 1, 100, 1e4])
def test_the_gradient_is_finite(scale: float) -> None:
    logits = patch_logits(scale).requires_grad_()
    targets = whole()
    targets[0, :, 0] = 0
    slack_cross_entropy(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_recipe_chooses_its_loss(tiny: Recipe) -> None:
    assert make_patch_loss(tiny) is cross_entropy
    slack = make_patch_loss(replace(tiny, patch_loss="slack", min_object_share=0.4, max_object_share=0.4))
    torch.testing.assert_close(
        slack(patch_logits(), whole()), slack_cross_entropy(patch_logits(), whole(), shares=(0.4, 0.4))
    )
