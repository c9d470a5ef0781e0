import pytest
import torch
from torch import nn

import zoo
from zoo.networks.resnet import PreActivationBlock, stage


def doubling(in_channels: int, stride: int) -> nn.Module:
    return nn.Conv2d(in_channels, 8, 3, stride, padding=1, bias=False)


def test_the_shortcut_is_the_identity_where_the_shape_stays() -> None:
    block = PreActivationBlock(8, 8, 1, doubling(8, 1))
    nn.init.zeros_(block.body.weight)
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(block(x), x)


def test_elsewhere_the_shortcut_is_a_convolution_of_the_activated_input() -> None:
    block = PreActivationBlock(4, 8, 2, doubling(4, 2)).eval()
    nn.init.zeros_(block.body.weight)
    x = torch.randn(2, 4, 6, 6)
    activated = (x / (1 + 1e-5) ** 0.5).relu()  # the statistics of a new norm are 0 and 1
    expected = torch.einsum("dc,nchw->ndhw", block.shortcut.weight[:, :, 0, 0], activated[:, :, ::2, ::2])
    torch.testing.assert_close(block(x), expected)


def test_only_the_first_block_of_a_stage_changes_the_shape() -> None:
    blocks = stage(4, 8, 2, 3, doubling)
    assert blocks(torch.randn(2, 4, 6, 6)).shape == (2, 8, 3, 3)
    assert [block.shortcut is None for block in blocks] == [False, True, True]


@pytest.mark.parametrize(("variant", "depth"), [("rn26", 26), ("rn38", 38)])
def test_the_name_counts_the_layers(variant: str, depth: int) -> None:
    network = zoo.create(variant)
    layers = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len([name for name in layers if "shortcut" not in name]) == depth


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("rn[23][68]*", [(64, 32, 32), (128, 16, 16), (128, 8, 8), (256, 8, 8)]),
        ("wrn16*s", [(32, 32, 32), (64, 16, 16), (128, 8, 8), (128, 8, 8)]),
    ],
)
def test_channels_of_the_stages(pattern: str, expected: list[tuple[int, ...]]) -> None:
    for variant in zoo.list_models(pattern):
        network = zoo.create(variant)
        x, shapes = torch.zeros(1, 16, 32, 32), []
        for layers in (*network.stages, network.last_stage):
            x = layers(x)
            shapes.append(tuple(x.shape[1:]))
        assert shapes == expected, variant


def test_the_stride_is_on_the_3_by_3_convolution() -> None:
    strided = [m for m in zoo.create("rn26").modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert sorted(module.kernel_size for module in strided) == [(1, 1), (1, 1), (3, 3), (3, 3)]


@pytest.mark.parametrize("variant", zoo.list_models())
def test_only_the_keys_have_a_bias(variant: str) -> None:
    layers = zoo.create(variant).named_modules()
    biased = {name for name, layer in layers if isinstance(layer, nn.Conv2d) and layer.bias is not None}
    assert biased == (set() if zoo.info(variant).mechanism == "plain" else {"block.keys"})


def test_the_name_of_a_wide_network_counts_the_3_by_3_convolutions_of_the_stages() -> None:
    convolutions = [m for m in zoo.create("wrn16").modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) - 1 == 16  # without the stem
