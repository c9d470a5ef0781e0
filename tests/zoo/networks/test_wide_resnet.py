import pytest
import torch
from torch import nn

import zoo


@pytest.mark.parametrize("variant", zoo.list_models("wrn*"))
def test_channels_of_the_stages(variant: str) -> None:
    network = zoo.create(variant)
    x, shapes = torch.zeros(1, 16, 32, 32), []
    for stage in (*network.stages, network.last_stage):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(32, 32, 32), (64, 16, 16), (128, 8, 8), (128, 8, 8)]


def test_the_name_counts_the_3_by_3_convolutions_of_the_stages() -> None:
    convolutions = [m for m in zoo.create("wrn16").modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) - 1 == 16  # without the stem
