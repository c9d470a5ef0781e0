import pytest
import torch

import zoo
from zoo.densenet import DenseLayer, dense_stage, transition


def test_a_layer_appends_to_its_input() -> None:
    x = torch.randn(2, 20, 5, 5)
    y = DenseLayer(20)(x)
    assert y.shape == (2, 32, 5, 5)
    torch.testing.assert_close(y[:, :20], x)


def test_a_stage_grows_by_its_layers() -> None:
    assert dense_stage(24, 3)(torch.randn(2, 24, 5, 5)).shape == (2, 60, 5, 5)


def test_a_transition_halves_channels_and_size() -> None:
    assert transition(24)(torch.randn(2, 24, 8, 8)).shape == (2, 12, 4, 4)


@pytest.mark.parametrize(("variant", "last"), [("dn100", 534), ("dn100-ours", 534), ("dn100-ours-c", 576)])
def test_channels(variant: str, last: int) -> None:
    network = zoo.create(variant).eval()
    features = network.stages(torch.zeros(1, 24, 32, 32))
    assert features.shape == (1, 342, 8, 8)
    assert network.last_stage(network.block(features).features).shape == (1, last, 8, 8)
