from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from zoo.errors import InputError, UnknownNameError
from zoo.networks.matching import (
    ASSIGNMENTS,
    BatchNormRelu,
    SlackSoftmax,
    SoftMatching,
    assignment_name,
    make_assignment,
)
from zoo.registry import AssignmentName

SCORES = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=12)
EPSILON = st.floats(0.1, 5)
SLACK = st.floats(-5, 5)
TEMPLATES = st.lists(
    st.tuples(st.floats(-10, 10, width=32), st.floats(-4, 4, width=32), st.floats(-5, 5, width=32)),
    min_size=1,
    max_size=12,
)
"""Score, gamma and beta of each template."""


def slack_softmax(templates: int, epsilon: float, slack: float) -> SlackSoftmax:
    """The assignment with one entropy weight epsilon and one slack mu for all templates."""
    module = SlackSoftmax(templates)
    torch.nn.init.constant_(module.gamma, 1 / epsilon)
    torch.nn.init.constant_(module.beta, -slack / epsilon)
    return module.requires_grad_(False)


def assign(scores: list[float], epsilon: float, slack: float) -> np.ndarray:
    """The assignment of one patch, `none` last."""
    module = slack_softmax(len(scores), epsilon, slack)
    return module(torch.tensor(scores)[None, :, None, None])[0, :, 0, 0].double().numpy()


@given(SCORES, EPSILON, SLACK)
def test_slack_softmax_is_the_papers_closed_form(scores: list[float], epsilon: float, slack: float) -> None:
    exponentials = np.exp(np.array(scores) / epsilon)
    expected = exponentials / (np.exp(slack / epsilon) + exponentials.sum())
    np.testing.assert_allclose(assign(scores, epsilon, slack), [*expected, 1 - expected.sum()], atol=2e-5)


@given(SCORES, EPSILON, SLACK, st.randoms(use_true_random=False))
def test_slack_softmax_solves_the_smoothed_programme(
    scores: list[float], epsilon: float, slack: float, random: np.random.Generator
) -> None:
    def objective(assignment: np.ndarray) -> float:
        used = assignment[assignment > 0]
        return float(assignment @ np.array([*scores, slack]) - epsilon * (used * np.log(used)).sum())

    other = np.array([random.random() + 1e-6 for _ in range(len(scores) + 1)])
    assert objective(assign(scores, epsilon, slack)) >= objective(other / other.sum()) - 1e-3


@given(SCORES, EPSILON, SLACK)
def test_slack_softmax_is_a_distribution(scores: list[float], epsilon: float, slack: float) -> None:
    assignment = assign(scores, epsilon, slack)
    assert (assignment >= 0).all()
    assert assignment.sum() == pytest.approx(1, abs=1e-5)


def test_each_template_has_its_own_temperature_and_slack() -> None:
    module = SlackSoftmax(2).requires_grad_(False)
    module.gamma.copy_(torch.tensor([2.0, 0.5]))
    module.beta.copy_(torch.tensor([-1.0, 3.0]))
    logits = torch.tensor([2 * 0.7 - 1, 0.5 * -0.2 + 3, 0])
    assignment = module(torch.tensor([0.7, -0.2])[None, :, None, None])
    torch.testing.assert_close(assignment[0, :, 0, 0], logits.exp() / logits.exp().sum())


def test_slack_softmax_starts_with_temperature_1_and_slack_0() -> None:
    scores = torch.tensor([1.0, -2.0])[None, :, None, None]
    total = 1 + torch.exp(scores).sum()
    torch.testing.assert_close(SlackSoftmax(2)(scores)[0, -1, 0, 0], 1 / total)


def test_with_little_smoothing_the_best_template_takes_all() -> None:
    np.testing.assert_allclose(assign([0.2, 0.9, 0.8, -3], 1e-3, 0.5), [0, 1, 0, 0, 0], atol=1e-6)


def test_with_little_smoothing_none_wins_when_no_template_beats_the_slack() -> None:
    np.testing.assert_allclose(assign([0.2, 0.9, 0.8, -3], 1e-3, 1.0), [0, 0, 0, 0, 1], atol=1e-6)


def test_none_takes_a_patch_whose_scores_are_all_far_below() -> None:
    assert assign([-30, -40], 1, 0)[-1] == pytest.approx(1)


def test_none_leaves_a_patch_whose_scores_are_far_above() -> None:
    np.testing.assert_allclose(assign([40, 40], 1, 0), [0.5, 0.5, 0], atol=1e-9)


def test_scores_beyond_the_range_of_exp_stay_finite() -> None:
    np.testing.assert_allclose(assign([1e4, -1e4], 1, 0), [1, 0, 0])


def assign_templates(name: AssignmentName, templates: list[tuple[float, float, float]]) -> Tensor:
    """The assignment of one patch, `none` last."""
    scores, gamma, beta = torch.tensor(templates).T
    assign = make_assignment(name, len(templates)).requires_grad_(False)
    assign.gamma.copy_(gamma)
    assign.beta.copy_(beta)
    return assign(scores[None, :, None, None])[0, :, 0, 0]


@given(TEMPLATES)
def test_without_slack_it_is_the_softmax_of_the_templates_alone(templates: list[tuple[float, float, float]]) -> None:
    assignment = assign_templates("softmax_no_slack", templates)
    exponentials = np.exp([gamma * score + beta for score, gamma, beta in templates])
    np.testing.assert_allclose(assignment[:-1], exponentials / exponentials.sum(), atol=2e-5)
    assert assignment[:-1].sum() == pytest.approx(1, abs=1e-5)
    assert assignment[-1] == 0


@given(TEMPLATES)
def test_without_slack_it_is_the_limit_of_logits_far_above_the_slack(
    templates: list[tuple[float, float, float]],
) -> None:
    far_above = [(score, gamma, beta + 100) for score, gamma, beta in templates]
    with_slack = assign_templates("softmax", far_above)
    torch.testing.assert_close(assign_templates("softmax_no_slack", templates), with_slack, rtol=0, atol=5e-5)


def test_without_slack_a_patch_whose_scores_are_all_far_below_is_still_a_templates() -> None:
    templates = [(-30.0, 1.0, 0.0), (-40.0, 1.0, 0.0)]
    np.testing.assert_allclose(assign_templates("softmax_no_slack", templates), [1, 0, 0], atol=1e-4)


@pytest.fixture
def scores() -> Tensor:
    return torch.randn(5, 4, 3, 2, generator=torch.Generator().manual_seed(0)) * 3 + 1


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignment_adds_one_entry_and_is_made_patch_by_patch(name: str, scores: Tensor) -> None:
    module = make_assignment(name, 4).eval()
    assignment = module(scores)
    assert assignment.shape == (5, 5, 3, 2)
    torch.testing.assert_close(module(scores[1:2, :, 2:, 1:])[0, :, 0, 0], assignment[1, :, 2, 1])


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_weight_and_score_of_an_assignment_learns(name: str, scores: Tensor) -> None:
    module, scores = make_assignment(name, 4), scores.requires_grad_()
    shares = module(scores)[:, :-1]
    (shares * torch.arange(4.0)[:, None, None]).sum().backward()
    for learned in (scores, *module.parameters()):
        assert learned.grad is not None
        assert learned.grad.isfinite().all()
        assert learned.grad.any()


def test_every_name_of_an_assignment_has_one() -> None:
    assert tuple(ASSIGNMENTS) == get_args(AssignmentName)


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignment_has_two_weights_a_template(name: str) -> None:
    assert sum(weight.numel() for weight in make_assignment(name, 7).parameters()) == 14


def test_bn_relu_is_batch_norm_and_relu(scores: Tensor) -> None:
    mean = scores.mean(dim=(0, 2, 3), keepdim=True)
    std = (scores.var(dim=(0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    matched = BatchNormRelu(4)(scores)[:, :-1]
    torch.testing.assert_close(matched, ((scores - mean) / std).clamp(min=0))


def test_none_of_bn_relu_is_what_is_missing_to_1(scores: Tensor) -> None:
    assignment = BatchNormRelu(4)(scores)
    total = assignment[:, :-1].sum(dim=1)
    assert (total > 1).any()
    assert (total < 1).any()
    torch.testing.assert_close(assignment[:, -1], (1 - total).clamp(min=0))


def test_an_unknown_assignment() -> None:
    with pytest.raises(UnknownNameError, match="unknown assignment 'soft-max'; did you mean softmax"):
        make_assignment("soft-max", 4)  # type: ignore[arg-type]


def test_soft_matching_has_one_as_its_mean_share_without_slack() -> None:
    matching = SoftMatching(8)
    with torch.no_grad():
        matching.assign.beta.fill_(20)  # far above the slack
    shares = matching(torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(shares.mean(dim=1), torch.ones(2, 3, 3))


def test_soft_matching_looks_at_one_location_of_one_image() -> None:
    """No batch statistics: in training too, the others change nothing."""
    matching = SoftMatching(8).train()
    responses = torch.randn(4, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    alone = matching(responses[1:2, :, 1:2, 2:3])
    torch.testing.assert_close(matching(responses)[1:2, :, 1:2, 2:3], alone)


def test_every_assignment_has_its_name() -> None:
    assert [assignment_name(make_assignment(name, 3)) for name in ASSIGNMENTS] == list(ASSIGNMENTS)
    for other in (SlackSoftmax(3, none_logit=1.0), torch.nn.Softmax(dim=1)):
        with pytest.raises(InputError, match=f"{type(other).__name__} is none of softmax"):
            assignment_name(other)
