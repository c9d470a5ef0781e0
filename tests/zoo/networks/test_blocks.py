import pytest
import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.networks.blocks import AuxiliaryHead, ConvolutionBlock, EncodedHead, PassThrough, SemanticBlock, make_block
from zoo.networks.matching import ASSIGNMENTS, class_scores, spread_classes, sum_templates
from zoo.registry import AssignmentName, Mechanism

CHANNELS, CLASSES = 16, 5


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, CHANNELS, 7, 6, generator=torch.Generator().manual_seed(0))


def mixture(block: SemanticBlock, assignment: Tensor) -> Tensor:
    """The sum of the class vectors, each with its class's share."""
    values = block.values.weight[:, :, 0, 0]
    centred = values - values.mean(dim=1, keepdim=True)
    vectors = centred / (centred**2).mean().sqrt()
    return torch.einsum("dc,nchw->ndhw", vectors, assignment[:, :CLASSES])


def test_the_residual_form_adds_the_mixture(x: Tensor) -> None:
    block = SemanticBlock(CHANNELS, CLASSES)
    tap = block(x)
    assert block.out_channels == CHANNELS
    torch.testing.assert_close(tap.features, x + mixture(block, tap.assignment))


def test_the_concat_form_appends_the_mixture_in_an_eighth_of_the_channels(x: Tensor) -> None:
    block = SemanticBlock(CHANNELS, CLASSES, concat=True)
    tap = block(x)
    assert block.out_channels == tap.features.shape[1] == 18
    compressed = torch.einsum("ed,ndhw->nehw", block.compress.weight[:, :, 0, 0], mixture(block, tap.assignment))
    torch.testing.assert_close(tap.features[:, :CHANNELS], x)
    torch.testing.assert_close(tap.features[:, CHANNELS:], compressed)


@pytest.mark.parametrize("classes", [2, 5, 100])
@pytest.mark.parametrize("size", [1e-2, 1, 1e6])
def test_the_strength_of_the_class_vectors_is_not_theirs_to_choose(size: float, classes: int) -> None:
    block = SemanticBlock(CHANNELS, classes)
    nn.init.normal_(block.values.weight, mean=size, std=size)
    vectors = block.class_vectors()
    assert vectors.shape == (CHANNELS, classes)
    torch.testing.assert_close(vectors.mean(dim=1), torch.zeros(CHANNELS), rtol=0, atol=1e-3)
    assert vectors.square().mean().item() == pytest.approx(1, rel=1e-3)


def test_which_channels_tell_two_classes_apart_is_learned() -> None:
    block = SemanticBlock(CHANNELS, 2)
    block.class_vectors()[0, 0].backward()
    assert block.values.weight.grad.abs().max() > 1e-3


@pytest.mark.parametrize("concat", [False, True])
def test_no_match_adds_nothing(x: Tensor, concat: bool) -> None:
    block = SemanticBlock(CHANNELS, CLASSES, concat=concat)
    none = torch.zeros(2, CLASSES + 1, 7, 6)
    none[:, -1] = 1
    features = block(x, none).features
    assert torch.equal(features[:, :CHANNELS], x)
    assert not features[:, CHANNELS:].any()


def test_all_classes_alike_add_nothing(x: Tensor) -> None:
    alike = torch.full((2, CLASSES + 1, 7, 6), 1 / (CLASSES + 1))
    torch.testing.assert_close(SemanticBlock(CHANNELS, CLASSES)(x, alike).features, x)


def test_the_keys_see_the_features_as_they_are_at_first(x: Tensor) -> None:
    block = SemanticBlock(CHANNELS, CLASSES)
    torch.testing.assert_close(block(x).patch_logits, block.keys(x))


@pytest.mark.parametrize("concat", [False, True])
def test_a_fixed_assignment_is_the_same_and_is_the_softmax_of_the_patch_logits(x: Tensor, concat: bool) -> None:
    block = SemanticBlock(CHANNELS, CLASSES, concat=concat)
    with torch.no_grad():
        block.assign.gamma.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))
        block.assign.beta.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
    before = block(x)
    block.fix_assignment()
    after = block(x)
    torch.testing.assert_close(after.assignment, before.assignment)
    torch.testing.assert_close(after.features, before.features)
    with_none = torch.cat([after.patch_logits, torch.zeros(2, 1, 7, 6)], dim=1)
    torch.testing.assert_close(after.assignment, with_none.softmax(dim=1))
    assert not any(weight.requires_grad for weight in block.assign.parameters())


@pytest.mark.parametrize("assignment", ["softmax_no_slack", "bn_relu"])
def test_an_assignment_without_slack_cannot_be_fixed(assignment: AssignmentName) -> None:
    with pytest.raises(InputError, match="assignment = softmax"):
        SemanticBlock(CHANNELS, CLASSES, assignment=assignment).fix_assignment()


def test_the_concat_form_of_342_channels_appends_42() -> None:
    assert make_block("concat", 342, 10, "softmax").out_channels == 384


@pytest.mark.parametrize("concat", [False, True])
def test_the_assignment_is_made_from_the_patch_logits(x: Tensor, concat: bool) -> None:
    block = SemanticBlock(CHANNELS, CLASSES, concat=concat)
    tap = block(x)
    assert tap.patch_logits.shape == (2, CLASSES, 7, 6)
    torch.testing.assert_close(tap.assignment, block.assign(tap.patch_logits))
    torch.testing.assert_close(tap.assignment.sum(dim=1), torch.ones(2, 7, 6))


def test_a_patch_is_3_by_3(x: Tensor) -> None:
    block = SemanticBlock(CHANNELS, CLASSES).eval()
    nn.init.normal_(block.encoder.depthwise.weight)
    changed = x.clone()
    changed[:, :, 3, 3] += 1
    differs = (block(changed).patch_logits != block(x).patch_logits).any(dim=1)[0]
    rows, columns = differs.nonzero(as_tuple=True)
    assert set(rows.tolist()) == {2, 3, 4}
    assert set(columns.tolist()) == {2, 3, 4}


def test_the_auxiliary_head_passes_features_unchanged(x: Tensor) -> None:
    block = AuxiliaryHead(CHANNELS, CLASSES)
    features, patch_logits, assignment, templates = block(x)
    assert features is x
    assert assignment is None
    assert templates is None
    expected = torch.einsum("cd,ndhw->nchw", block.keys.weight[:, :, 0, 0], x) + block.keys.bias[:, None, None]
    torch.testing.assert_close(patch_logits, expected)


def test_no_block_passes_features_and_says_nothing(x: Tensor) -> None:
    tap = PassThrough(CHANNELS)(x)
    assert tap.features is x
    assert tap[1:] == (None, None, None)


def test_the_encoded_head_starts_as_the_auxiliary_head(x: Tensor) -> None:
    block, plain = EncodedHead(CHANNELS, CLASSES), AuxiliaryHead(CHANNELS, CLASSES)
    plain.keys.load_state_dict(block.keys.state_dict())
    tap = block(x)
    assert tap.features is x
    assert tap.assignment is None
    torch.testing.assert_close(tap.patch_logits, plain(x).patch_logits)


def test_the_convolution_block_adds_without_saying_anything_of_patches(x: Tensor) -> None:
    block = ConvolutionBlock(CHANNELS, CLASSES)
    tap = block(x)
    assert tap.features.shape == x.shape
    assert tap[1:] == (None, None, None)
    assert not torch.allclose(tap.features, x)


@pytest.mark.parametrize(
    ("mechanism", "weights"),
    [
        ("plain", 0),
        ("aux", 129 * 10),
        ("encoded aux", 9 * 128 + 128**2 + 129 * 10),
        ("convolution", 9 * 128 + 128**2 + 128 * 10 + 2 * 10 + 128 * 10),
        ("residual", 9 * 128 + 128**2 + 129 * 10 + 2 * 10 + 128 * 10),
        ("concat", 9 * 128 + 128**2 + 129 * 10 + 2 * 10 + 128 * 10 + 128 * 16),
    ],
)
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_weights_of_a_block(mechanism: Mechanism, assignment: str, weights: int) -> None:
    block = make_block(mechanism, 128, 10, assignment)
    assert sum(weight.numel() for weight in block.parameters()) == weights


TEMPLATES = 3


def with_templates(**settings: object) -> SemanticBlock:
    """A block whose every tensor is random."""
    block = SemanticBlock(CHANNELS, CLASSES, templates=TEMPLATES, **settings).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in block.parameters():
            weight.normal_(generator=generator)
    return block


def test_a_class_has_the_scores_and_shares_of_its_templates() -> None:
    scores = torch.randn(2, CLASSES * TEMPLATES, 4, 3, generator=torch.Generator().manual_seed(0))
    by_class = class_scores(scores, TEMPLATES)
    for index in range(CLASSES):
        own = scores[:, index * TEMPLATES : (index + 1) * TEMPLATES]
        torch.testing.assert_close(by_class[:, index], own.logsumexp(dim=1))
    shares = sum_templates(nn.functional.pad(scores, (0, 0, 0, 0, 0, 1)).softmax(dim=1), TEMPLATES)
    torch.testing.assert_close(shares, nn.functional.pad(by_class, (0, 0, 0, 0, 0, 1)).softmax(dim=1))
    spread = spread_classes(shares, TEMPLATES)
    torch.testing.assert_close(sum_templates(spread, TEMPLATES), shares)
    torch.testing.assert_close(spread[:, 1], spread[:, 0])


def test_large_scores_do_not_overflow() -> None:
    scores = torch.tensor([1e4, 1e4, -1e4, -1e4])[None, :, None, None].requires_grad_()
    by_class = class_scores(scores, 2)
    torch.testing.assert_close(by_class.flatten(), torch.tensor([1e4, -1e4]), rtol=1e-4, atol=0)
    by_class.sum().backward()
    torch.testing.assert_close(scores.grad, torch.full_like(scores, 0.5))


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("concat", [False, True])
def test_the_mixture_is_of_templates(x: Tensor, concat: bool, assignment: AssignmentName) -> None:
    block = with_templates(concat=concat, assignment=assignment)
    tap = block(x)
    assert tap.templates.shape == (2, CLASSES * TEMPLATES + 1, 7, 6)
    torch.testing.assert_close(tap.templates, block.assign(block.keys(block.encoder(x))))
    torch.testing.assert_close(tap.assignment, sum_templates(tap.templates, TEMPLATES))
    vectors = block.class_vectors()
    assert vectors.shape == (CHANNELS, CLASSES * TEMPLATES)
    mixed = torch.einsum("dk,nkhw->ndhw", vectors, tap.templates[:, :-1])
    if concat:
        mixed = torch.einsum("ed,ndhw->nehw", block.compress.weight[:, :, 0, 0], mixed)
    torch.testing.assert_close(tap.features, torch.cat([x, mixed], dim=1) if concat else x + mixed)


def test_a_class_that_is_told_is_spread_evenly(x: Tensor) -> None:
    block = with_templates()
    told = torch.zeros(2, CLASSES + 1, 7, 6)
    told[:, 1] = 0.75
    told[:, -1] = 0.25
    tap = block(x, told)
    torch.testing.assert_close(tap.assignment, told)
    assert tap.templates[:, TEMPLATES : 2 * TEMPLATES].unique().tolist() == [0.25]
    own = block(x)
    assert torch.equal(block(x, own.templates).features, own.features)
    source = torch.tensor([1, 0])
    torch.testing.assert_close(block(x, source=source).templates, own.templates[source])


@pytest.mark.parametrize("concat", [False, True])
def test_a_fixed_assignment_of_templates_is_the_softmax_of_the_patch_logits(x: Tensor, concat: bool) -> None:
    block = with_templates(concat=concat)
    before = block(x)
    block.fix_assignment()
    after = block(x)
    torch.testing.assert_close(after.templates, before.templates)
    torch.testing.assert_close(after.features, before.features, rtol=1e-4, atol=1e-4)
    with_none = torch.cat([after.patch_logits, torch.zeros(2, 1, 7, 6)], dim=1)
    torch.testing.assert_close(after.assignment, with_none.softmax(dim=1))


def test_one_template_is_the_block_as_it_was(x: Tensor) -> None:
    block = SemanticBlock(CHANNELS, CLASSES, templates=1)
    tap = block(x)
    assert tap.templates is None
    assert torch.equal(tap.patch_logits, block.keys(block.encoder(x)))
    assert torch.equal(tap.assignment, block.assign(tap.patch_logits))
