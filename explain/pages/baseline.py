"""The network that an explained one is compared with: its plain variant, unless another one is chosen."""

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
    """A network to compare with, or why there is none."""

    network: Network | None
    note: str = ""
    """A sentence for the page."""


def plain_variant(variant: str) -> str:
    """The variant of the same family and depth without block and without supervision of the patches."""
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
    """The network to compare a model with: the one chosen, or its plain variant if its weights are here.

    Arguments:
        config: of the model.
        chosen: a reference, as for `zoo.hub.open_model`.
        available: names of the models whose weights are here.

    Raises:
        InputError: the chosen model has other classes.
        ZooError: it cannot be opened.
    """
    plain = plain_variant(config.variant)
    if chosen is None and plain == config.variant:
        return Baseline(None, "The model is itself the plain variant: its own map is a class activation map.")
    name = chosen or f"{plain}.{config.data}"
    if chosen is None and name not in available():
        return Baseline(None, f"The plain variant {name} is not here; --baseline MODEL compares with another model.")
    package = open_model(name, NETWORK_FILES)
    if package.config.classes == config.classes:
        return Baseline(TorchPredictor.open(package).network)
    if chosen is None:
        return Baseline(None, f"The plain variant {name} has other classes.")
    raise InputError(
        f"--baseline {chosen}: it has other classes than {config.name}: {', '.join(package.config.classes)}; "
        "choose a model of the same classes"
    )
