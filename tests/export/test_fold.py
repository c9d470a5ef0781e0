import copy

import pytest
import torch
from support.closeness import assert_alike
from support.variants import REMAINING_NORMS, STRUCTURES
from torch import nn

from export.fold import fold
from zoo.registry import info

pytestmark = pytest.mark.slow


def outputs(network, pixels):
    predicted = network.predict(torch.from_numpy(pixels))
    return [predicted[output.name] for output in network.outputs]


def assert_equivalent(network, pixels):
    with torch.inference_mode():
        expected, actual = outputs(network, pixels), fold(network)(torch.from_numpy(pixels))
    assert_alike(actual, expected)


@pytest.mark.parametrize("variant", STRUCTURES)
def test_a_folded_network_answers_as_the_network(variant, make_network, pixels):
    assert_equivalent(make_network(variant), pixels(2))


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c"])
def test_it_does_so_at_another_size(variant, make_network, pixels):
    assert_equivalent(make_network(variant), pixels(1, 84))


@pytest.mark.parametrize("assignment", ["softmax_no_slack", "bn_relu"])
@pytest.mark.parametrize("variant", ["rn26-ours", "dn100-ours-c"])
def test_it_does_so_with_another_assignment(variant, assignment, make_network, pixels):
    assert_equivalent(make_network(variant, assignment=assignment), pixels(2))


def test_the_networks_of_the_fixture_have_ordinary_numbers(make_network, pixels):
    with torch.inference_mode():
        for variant in ("rn38-ours", "wrn16-aux", "dn100-ours-c"):
            for output in outputs(make_network(variant), pixels(8))[:2]:
                assert 0.5 < output.std() < 5
                assert 1 < output.abs().max() < 10


@pytest.mark.parametrize("variant", STRUCTURES)
def test_only_what_follows_a_sum_or_a_concatenation_stays_normalised(variant, make_network):
    norms = [module for module in fold(make_network(variant)).modules() if isinstance(module, nn.BatchNorm2d)]
    facts = info(variant)
    assert len(norms) == REMAINING_NORMS[facts.builder](facts.blocks)


def test_pooling_goes_before_the_transition_s_convolution(make_network):
    transition = fold(make_network("dn100")).network.stages[1]
    assert [type(layer) for layer in transition] == [nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.Conv2d]


def test_the_network_itself_is_not_changed(make_network):
    network = copy.deepcopy(make_network("wrn16-ours")).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random_state = torch.get_rng_state()
    folded = fold(network)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module.training for module in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
