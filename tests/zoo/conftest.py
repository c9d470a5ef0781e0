from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn

import zoo


def make_pixels(count: int, size: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="session")
def pixels() -> Callable[..., Tensor]:
    """`pixels(count, size=32)`: noise, uint8."""
    return make_pixels


@pytest.fixture(scope="session")
def network() -> Callable[..., zoo.Network]:
    """`network(variant, classes=10)`: random weights, and statistics that fit them; not to be changed."""

    @cache
    @torch.inference_mode(False)  # the first test to ask may be in it
    def make(variant: str, classes: int = 10) -> zoo.Network:
        torch.manual_seed(0)
        made = zoo.create(variant, num_classes=classes)
        for norm in made.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.momentum = None  # the statistics are those of the one batch below
        with torch.no_grad():
            made(make_pixels(4))
        return made.eval()

    return make
