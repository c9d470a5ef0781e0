import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain.receptive_field import receptive_radius
from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.networks.blocks import AuxiliaryHead
from zoo.networks.network import Network

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 3, 32, 32)).astype(np.uint8)


class Mean(nn.Module):
    """The mean of a square of cells around each cell."""

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2 * reach + 1, 1, reach)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(nn.functional.avg_pool2d(x, 4))


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_the_reach_of_a_known_network(reach: int) -> None:
    torch.manual_seed(0)
    network = Network(
        stem=nn.Identity(),
        stages=nn.Sequential(Mean(reach)),
        block=AuxiliaryHead(3, 2),
        last_stage=nn.Identity(),
        channels=dict.fromkeys(("stem", "stages.0", "stages.1", "stages.2", "last_stage"), 3),
        num_classes=2,
        normalization=CIFAR10_NORMALIZATION,
    )
    assert receptive_radius(network.eval(), PIXELS) == reach
