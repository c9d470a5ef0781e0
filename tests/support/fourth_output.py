"""A network with outputs of its own, registered as users register theirs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from zoo import registry
from zoo.networks import resnet
from zoo.networks.network import Activations, Network
from zoo.outputs import Output
from zoo.registry import Variant, info, register

VARIANT = "wrn16-contrast"

CONTRAST = Output("contrast", "scalar map", "Contrast")
CHECKER = Output("checker", "index map", "Checker", ("even", "odd"))
PATCH_EMBEDDING = Output("patch_embedding", "vector", "Embedding")


class Contrasting(Network):
    """A network that also says how much the features of each patch vary, and two things more."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        return (*super().outputs, CONTRAST, CHECKER, PATCH_EMBEDDING)

    def compute_outputs(self, activations: Activations) -> dict[str, Tensor]:
        before = activations.before
        rows, columns = (torch.arange(side) for side in before.shape[2:])
        checker = (rows[:, None] + columns) % 2
        return super().compute_outputs(activations) | {
            CONTRAST.name: before.amax(dim=1) - before.amin(dim=1),
            CHECKER.name: checker.expand(before.shape[0], -1, -1),
            PATCH_EMBEDDING.name: before.mean(dim=(2, 3))[:, :16],
        }


def build(*arguments: Any) -> Network:
    """The variant's network."""
    network = resnet.build_wide(*arguments)
    network.__class__ = Contrasting
    return network


@contextmanager
def registered() -> Iterator[None]:
    """The variant is registered."""
    base = info("wrn16-ours")
    register(
        Variant(
            name=VARIANT,
            builder=f"{__name__}:build",
            blocks=base.blocks,
            mechanism=base.mechanism,
            fixed_parameters=base.fixed_parameters,
            parameters_per_class=base.parameters_per_class,
            multiply_adds=base.multiply_adds,
        )
    )
    yield
    del registry._variants[VARIANT]
