import pytest
import torch
from torch import nn

import zoo
from zoo.networks.three_stage import PostActivationBlock
from zoo.registry import LETKD

NAMES = [name for name in zoo.list_models() if zoo.info(name).origin == LETKD]

# Parameters for 100 classes, as published with the code of *Contrastive Representation Distillation* (ICLR 2020).
PUBLISHED = {
    "rn20": 278_324,
    "rn32": 472_756,
    "rn56": 861_620,
    "rn110": 1_736_564,
    "wrn16-2": 703_284,
    "wrn40-1": 569_780,
    "wrn40-2": 2_255_156,
}


def convolutions(variant: str) -> list[nn.Conv2d]:
    with torch.device("meta"):
        return [module for module in zoo.create(variant).modules() if isinstance(module, nn.Conv2d)]


def test_the_numbers_of_parameters_are_the_published_ones() -> None:
    assert {name: zoo.info(name).parameters(100) for name in NAMES} == PUBLISHED


@pytest.mark.parametrize(("variant", "depth"), [("rn20", 20), ("rn32", 32), ("rn56", 56), ("rn110", 110)])
def test_the_name_counts_the_layers(variant: str, depth: int) -> None:
    assert sum(module.kernel_size == (3, 3) for module in convolutions(variant)) + 1 == depth  # with the classifier


@pytest.mark.parametrize(
    ("variant", "convolved", "width"),
    [
        ("wrn16-2", 16, 2),
        ("wrn40-2", 40, 2),
        ("wrn40-1", 39, 1),  # the first shortcut, which the name counts, is the identity
    ],
)
def test_the_name_of_a_wide_network_has_depth_and_width(variant: str, convolved: int, width: int) -> None:
    found = convolutions(variant)
    assert len(found) == convolved
    assert found[-1].out_channels == 64 * width


def test_a_block_ends_with_its_activation() -> None:
    block = PostActivationBlock(4, 4, 1).eval()
    assert block.shortcut is None
    for layer in block.body:
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(x), x.relu())


def test_a_shortcut_that_changes_the_shape_is_a_normalised_convolution() -> None:
    block = PostActivationBlock(4, 8, 2).eval()
    assert block.shortcut is not None
    for layer in block.body:
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
    x = torch.randn(2, 4, 6, 6)
    expected = torch.einsum("dc,nchw->ndhw", block.shortcut[0].weight[:, :, 0, 0], x[:, :, ::2, ::2]).relu()
    torch.testing.assert_close(block(x), expected / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("variant", ["rn20", "wrn16-2"])
def test_the_patch_grid_is_a_quarter_of_the_image(variant: str) -> None:
    answer = zoo.create(variant).eval().semantics(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert answer.patch_logits.shape == (1, 10, 8, 8)


@pytest.mark.parametrize("variant", ["rn20", "wrn40-1"])
def test_the_classifier_can_be_replaced(variant: str) -> None:
    network = zoo.create(variant)
    network.reset_classifier(3)
    assert network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape == (1, 3)
