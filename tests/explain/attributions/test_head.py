import pytest
import torch

import zoo
from explain.attributions.head import head_parts


@pytest.mark.parametrize("model", ["rn26", "rn26-aux", "wrn16-ours", "dn100-ours-c"])
@torch.inference_mode()
def test_the_parts_and_the_bias_sum_to_the_logits(model: str) -> None:
    network = zoo.load(model, pretrained=False)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    parts, bias = head_parts(network, pixels)
    assert parts.shape == (2, 10, 8, 8)
    torch.testing.assert_close(parts.double().sum(dim=(2, 3)) + bias, network(pixels).double(), atol=2e-5, rtol=1e-5)


@torch.inference_mode()
def test_with_sum_pooling_too() -> None:
    network = zoo.create("wrn16", pooling="gsp").eval()
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    parts, bias = head_parts(network, pixels)
    torch.testing.assert_close(parts.double().sum(dim=(2, 3)) + bias, network(pixels).double(), atol=2e-5, rtol=1e-5)


@torch.inference_mode()
def test_in_double_precision_they_sum_to_them_exactly() -> None:
    network = zoo.load("wrn16-ours").double()
    network.normalize.double()
    pixels = torch.rand(1, 3, 40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    parts, bias = head_parts(network, pixels)
    torch.testing.assert_close(parts.sum(dim=(2, 3)) + bias, network(pixels), atol=1e-12, rtol=1e-12)
