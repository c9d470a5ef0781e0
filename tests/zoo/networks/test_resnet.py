import pytest
import torch
from torch import nn

import zoo


@pytest.mark.parametrize(("variant", "depth"), [("rn26", 26), ("rn38", 38)])
def test_the_name_counts_the_layers(variant: str, depth: int) -> None:
    network = zoo.create(variant)
    layers = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len([name for name in layers if "shortcut" not in name]) == depth


@pytest.mark.parametrize("variant", zoo.list_models("rn*"))
def test_channels_of_the_stages(variant: str) -> None:
    network = zoo.create(variant)
    x, shapes = torch.zeros(1, 16, 32, 32), []
    for stage in (*network.stages, network.last_stage):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(64, 32, 32), (128, 16, 16), (128, 8, 8), (256, 8, 8)]


def test_the_stride_is_on_the_3_by_3_convolution() -> None:
    strided = [m for m in zoo.create("rn26").modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert sorted(module.kernel_size for module in strided) == [(1, 1), (1, 1), (3, 3), (3, 3)]


@pytest.mark.parametrize("variant", zoo.list_models())
def test_only_the_keys_have_a_bias(variant: str) -> None:
    layers = zoo.create(variant).named_modules()
    biased = {name for name, layer in layers if isinstance(layer, nn.Conv2d) and layer.bias is not None}
    assert biased == (set() if zoo.info(variant).mechanism == "plain" else {"block.keys"})
