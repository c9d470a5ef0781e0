"""How a network is trained: one frozen dataclass, a field a choice."""

from dataclasses import dataclass
from typing import Literal

from zoo.errors import InputError

Precision = Literal["bf16", "fp32"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Stochastic gradient descent with a one-cycle learning rate and the paper's loss.

    Every variant is trained with the same recipe, so that a difference in accuracy is the block's.
    """

    epochs: int = 10
    batch_size: int = 128
    peak_learning_rate: float = 0.15
    """Of the one-cycle schedule: up over `warmup` of all steps, then down to nearly 0 along a cosine."""
    warmup: float = 0.25
    momentum: float = 0.9
    """Of Nesterov's method."""
    weight_decay: float = 5e-4
    """On weights of convolutions and linear layers; biases, norms, and the block's slack and temperature have none."""
    patch_weight: float = 0.25
    """The loss's lambda: the share of the per-patch loss. The paper does not print it."""
    crop_padding: int = 4
    """Reflected border, in pixels of the full input size, in which a random crop moves."""
    flip: bool = True
    input_sizes: tuple[int, ...] = (32,)
    """Side of the training images in pixels; with several, each has an equal share of the epochs, smallest first.

    The networks are fully convolutional, and an epoch at half the side costs a quarter.
    """
    precision: Precision = "bf16"
    """`bf16` computes under autocast; weights, sums and losses stay in single precision."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "peak_learning_rate", "weight_decay"):
            value = getattr(self, name)
            if value < 0 or (value == 0 and name != "weight_decay"):
                raise InputError(f"{name} = {value}: it must be above 0")
        for name in ("warmup", "momentum", "patch_weight"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"{name} = {value}: it must lie between 0 and 1")
        if not self.input_sizes or list(self.input_sizes) != sorted(self.input_sizes) or self.input_sizes[0] < 16:
            raise InputError(f"input_sizes = {self.input_sizes}: give one or more sides from 16 pixels up, ascending")
        if self.precision not in ("bf16", "fp32"):
            raise InputError(f"precision = {self.precision!r}: it is 'bf16' or 'fp32'")

    def input_size(self, epoch: int) -> int:
        """Side in pixels of the training images in an epoch, counted from 0."""
        return self.input_sizes[epoch * len(self.input_sizes) // self.epochs]
