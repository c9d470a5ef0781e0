"""Baseline network for comparison with the explained one: its plain variant, unless another model is chosen."""

from collections.abc import Callable
from dataclasses import dataclass

from zoo.errors import InputError
from zoo.hub import local_models, open_model
from zoo.networks.network import Network
from zoo.package import NETWORK_FILES, ModelConfig
from zoo.predictors.torch import TorchPredictor
from zoo.registry import info, list_models


@dataclass(frozen=True, slots=True)
class Baseline:
    """Network to compare with, or the reason why there is none."""

    network: Network | None
    note: str = ""
    """Reason, as a sentence for the page."""


def plain_variant(variant: str) -> str:
    """Name of the variant of the same family and depth with neither a block nor patch supervision."""
    own = info(variant)
    others = map(info, list_models())
    return next(
        other.name
        for other in others
        if (other.builder, other.blocks, other.mechanism) == (own.builder, own.blocks, "plain")
    )


def open_baseline(
    config: ModelConfig, chosen: str | None, available: Callable[[], list[str]] = local_models
) -> Baseline:
    """Open the network to compare a model with: the chosen one, or its plain variant if its weights are local.

    Arguments:
        config: configuration of the model.
        chosen: reference to a model, as for `zoo.hub.open_model`; None for the plain variant.
        available: returns the names of the models whose weights are local.

    Raises:
        InputError: the chosen model has other classes.
        ZooError: the chosen model cannot be opened.
    """
    plain = plain_variant(config.variant)
    if chosen is None and plain == config.variant:
        return Baseline(None, "The model itself is the plain variant; its own map is a class activation map.")
    name = chosen or f"{plain}.{config.data}"
    if chosen is None and name not in available():
        return Baseline(
            None, f"The plain variant {name} is not available locally; use --baseline MODEL to compare with a model."
        )
    package = open_model(name, NETWORK_FILES)
    if package.config.classes == config.classes:
        return Baseline(TorchPredictor.open(package).network)
    if chosen is None:
        return Baseline(None, f"The plain variant {name} has different classes.")
    raise InputError(
        f"--baseline {chosen}: its classes differ from those of {config.name}: {', '.join(package.config.classes)}; "
        "choose a model with the same classes"
    )
