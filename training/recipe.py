"""How a network is trained: one frozen dataclass, a field a choice, and an option of `zoo train` each."""

from dataclasses import dataclass
from typing import Literal, get_args

from zoo.errors import InputError
from zoo.options import option
from zoo.registry import AssignmentName

Precision = Literal["bf16", "fp32"]

MIN_TRAINING_SIZE = 16


@dataclass(frozen=True, slots=True)
class Recipe:
    """Stochastic gradient descent with a one-cycle learning rate and the paper's loss.

    Every variant is trained with the same recipe, so that a difference in accuracy is the block's.
    """

    epochs: int = option(10, "Passes over the training images.")
    batch_size: int = option(128, "Images in a step.")
    peak_learning_rate: float = option(0.15, "Highest learning rate of the one-cycle schedule.")
    warmup: float = option(0.25, "Share of the steps in which the rate rises; in the others it falls along a cosine.")
    momentum: float = option(0.9, "Nesterov's momentum.")
    weight_decay: float = option(5e-4, "On weights of convolutions and linear layers; vectors have none.")
    patch_weight: float = option(0.25, "The loss's lambda, the share of the per-patch loss; not printed in the paper.")
    assignment: AssignmentName = option("softmax", "How the semantic block turns scores into an assignment.")
    crop_padding: int = option(4, "Reflected border, in pixels, in which a random crop moves.")
    flip: bool = option(True, "Mirror half of the images.")
    input_sizes: tuple[int, ...] = option(
        (32,), "Side of the images in pixels; several, ascending, share the epochs: the first epochs cost less."
    )
    precision: Precision = option("bf16", "bf16 computes under autocast; weights and losses stay in single precision.")
    seed: int = option(0, "Of the weights, the order of the images, the crops and the flips.")

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "peak_learning_rate"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} = {getattr(self, name)}: it must be above 0")
        for name in ("weight_decay", "crop_padding", "seed"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} = {getattr(self, name)}: it must not be negative")
        for name in ("warmup", "momentum", "patch_weight"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}: it must be at least 0 and below 1")
        if self.precision not in get_args(Precision):
            raise InputError(f"precision = {self.precision!r}: it is one of {', '.join(get_args(Precision))}")
        sizes = self.input_sizes
        if not sizes or list(sizes) != sorted(sizes) or sizes[0] < MIN_TRAINING_SIZE or len(sizes) > self.epochs:
            raise InputError(
                f"input_sizes = {sizes}: give 1 to {self.epochs} (epochs) sides, ascending, "
                f"from {MIN_TRAINING_SIZE} pixels up"
            )

    def input_size(self, epoch: int) -> int:
        """Side in pixels of the training images in an epoch, counted from 0."""
        return self.input_sizes[epoch * len(self.input_sizes) // self.epochs]
