import pytest
import torch

import zoo
from zoo.networks.densenet import DenseLayer, dense_stage, transition


def test_a_layer_appends_to_its_input() -> None:
    x = torch.randn(2, 20, 5, 5)
    y = DenseLayer(20)(x)
    assert y.shape == (2, 32, 5, 5)
    torch.testing.assert_close(y[:, :20], x)


def test_a_stage_grows_by_its_layers() -> None:
    assert dense_stage(24, 3)(torch.randn(2, 24, 5, 5)).shape == (2, 60, 5, 5)


def test_a_transition_halves_channels_and_size_by_averaging() -> None:
    layers = transition(24).eval()
    x = torch.randn(2, 24, 8, 8)
    activated = (x / (1 + 1e-5) ** 0.5).relu()  # the statistics of a new norm are 0 and 1
    mixed = torch.einsum("dc,nchw->ndhw", layers[2].weight[:, :, 0, 0], activated)
    torch.testing.assert_close(layers(x), mixed.reshape(2, 12, 4, 2, 4, 2).mean(dim=(3, 5)))


@pytest.mark.parametrize(("variant", "last"), [("dn100", 534), ("dn100-ours", 534), ("dn100-ours-c", 576)])
def test_channels(variant: str, last: int) -> None:
    network = zoo.create(variant).eval()
    features = network.stages(torch.zeros(1, 24, 32, 32))
    assert features.shape == (1, 342, 8, 8)
    assert network.last_stage(network.block(features).features).shape == (1, last, 8, 8)
