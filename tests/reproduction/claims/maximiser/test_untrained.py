from pathlib import Path

import pytest
import torch
from torch import nn

from reproduction.claims.maximiser.untrained import untrained_network
from training.data.prepare import load_split
from zoo.hub import open_model

pytestmark = pytest.mark.slow


def test_an_untrained_network_has_the_statistics_of_the_images(cifar: Path) -> None:
    config = open_model("wrn16").config
    images = load_split(str(cifar), "train", limit=96)
    state = torch.random.get_rng_state()
    network, again, other = (untrained_network(config, images, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not network.training
    first = network.stages[0][0].norm
    assert isinstance(first, nn.BatchNorm2d)
    with torch.inference_mode():
        features = network.stem(network.normalize(images.images))
    torch.testing.assert_close(first.running_mean, features.mean(dim=(0, 2, 3)))
    assert torch.equal(network.classifier.weight, again.classifier.weight)
    assert not torch.equal(network.classifier.weight, other.classifier.weight)
    assert first.momentum == 0.1
