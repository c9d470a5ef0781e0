import torch
from torch import nn

from zoo.networks.residual import PreActivationBlock, stage


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
