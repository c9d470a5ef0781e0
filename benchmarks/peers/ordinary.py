"""A timm network with a similar number of multiply-adds as a variant, for comparison."""

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.networks.network import Normalize

CANDIDATES = ("resnet10t", "resnet14t", "resnet18", "resnet26", "resnetv2_18")
SIDES = range(32, 161, 8)
CLASSES = 10


class Ordinary(NamedTuple):
    """A timm network at an input size."""

    name: str
    side: int
    """Side of its images in pixels."""
    multiply_adds: int
    """Multiply-adds of its convolutions and linear layers for one image."""


class OrdinaryNetwork(nn.Module):
    """A timm network with random weights, with the same kinds of input and output as the zoo's networks."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import timm

        self.normalize = Normalize(CIFAR10_NORMALIZATION)
        self.network = timm.create_model(name, num_classes=CLASSES)

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        """Class logits [N, C] of pixels [N, 3, S, S], uint8."""
        return (self.network(self.normalize(pixels)),)


def nearest(multiply_adds: int) -> Ordinary:
    """The candidate and input size with the closest number of multiply-adds."""
    return min(_choices(), key=lambda choice: abs(choice.multiply_adds - multiply_adds))


def count_multiply_adds(network: nn.Module, side: int) -> int:
    """Multiply-adds of the convolutions and linear layers for one image [3, side, side]."""
    total = 0

    def add(layer: nn.Conv2d | nn.Linear, inputs: Any, output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * layer.weight[0].numel()

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    with torch.inference_mode():
        network(torch.zeros(1, 3, side, side, device=layers[0].weight.device))
    for hook in hooks:
        hook.remove()
    return total


@cache
def _choices() -> tuple[Ordinary, ...]:
    choices = []
    for name in CANDIDATES:
        with torch.device("meta"):  # shapes are enough to count
            network = OrdinaryNetwork(name).eval()
        choices += [Ordinary(name, side, count_multiply_adds(network, side)) for side in SIDES]
    return tuple(choices)
