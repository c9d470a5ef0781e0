from pathlib import Path

import pytest
import torch

import zoo
from reproduction.claims.maximiser.responses import LayerResponses, sample_responses
from training.data.prepare import load_split
from zoo.networks.network import Network


@pytest.fixture(scope="module")
def network() -> Network:
    return zoo.load("rn26")


@pytest.fixture(scope="module")
def layers(network: Network, cifar: Path) -> list[LayerResponses]:
    return sample_responses(network, load_split(str(cifar), "test", limit=3), 200, seed=0)


def test_every_bn_relu_is_there_in_order(layers: list[LayerResponses]) -> None:
    assert len(layers) == 25
    assert layers[0].name == "stages.0.0.norm"
    assert layers[-1].name == "norm"


def test_locations_are_drawn_without_repetition_and_at_most_those_of_the_grid(layers: list[LayerResponses]) -> None:
    assert layers[0].responses.shape == (3, 200, 16)
    assert layers[-1].responses.shape == (3, 64, 256)
    assert len({response.tobytes() for response in layers[-1].responses[0]}) == 64


def test_scaled_and_shifted_they_are_what_the_head_averages(
    layers: list[LayerResponses], network: Network, cifar: Path
) -> None:
    images = load_split(str(cifar), "test", limit=3)
    with torch.inference_mode():
        expected = network(images.images)
        features = torch.from_numpy(layers[-1].normalised.clip(0)).mean(dim=1).float()
        torch.testing.assert_close(network.classifier(features), expected, rtol=0, atol=1e-4)


def test_the_papers_own_block_is_known(layers: list[LayerResponses]) -> None:
    starred = [layer.name for layer in layers if layer.after_3x3]
    assert len(starred) == 8
    assert all(name.endswith("body.4") for name in starred)


def test_no_hook_is_left(network: Network, layers: list[LayerResponses]) -> None:
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_the_same_seed_looks_at_the_same_locations(network: Network, layers: list[LayerResponses], cifar: Path) -> None:
    images = load_split(str(cifar), "test", limit=3)
    again, other = (sample_responses(network, images, 200, seed) for seed in (0, 1))
    assert (again[0].responses == layers[0].responses).all()
    assert (other[0].responses != layers[0].responses).any()
