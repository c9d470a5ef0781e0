import pytest
import torch
from torch import nn

from export.align import BLOCK, align_channels
from export.fold import fold
from zoo.networks.densenet import DenseLayer

pytestmark = pytest.mark.slow


def convolutions(module):
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("variant", ["dn100", "dn100-ours", "dn100-ours-c"])
def test_all_features_of_a_dense_network_come_in_whole_blocks(variant, make_network):
    network = fold(make_network(variant)).network
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name != "block.keys":
            assert module.out_channels % BLOCK == 0, name
            assert module.weight.shape[0] == module.out_channels
        if isinstance(module, nn.Conv2d) and name not in ("stem", "block.values"):
            assert module.in_channels % BLOCK == 0, name
            assert module.weight.shape[1] * module.groups == module.in_channels
        if isinstance(module, nn.BatchNorm2d):
            assert len(module.weight) % BLOCK == 0, name


def test_the_channels_that_were_added_are_zeros(make_network, pixels):
    network = fold(make_network("dn100")).network
    with torch.inference_mode():
        features = network.stages[0](network.stem(network.normalize(torch.from_numpy(pixels(2)))))
    empty = features.abs().amax(dim=(0, 2, 3)) == 0
    layers = sum(isinstance(layer, DenseLayer) for layer in network.stages[0])
    assert empty.sum() == (32 - 24) + layers * (16 - 12)
    assert empty[24:32].all()
    assert empty[-4:].all()


@pytest.mark.parametrize("variant", ["rn26-ours", "wrn16", "wrn16-aux"])
def test_other_networks_stay_as_they_are(variant, make_network):
    network = fold(make_network(variant)).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    align_channels(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(conv.out_channels % BLOCK == 0 for conv in convolutions(network.stages))
