"""What there is: names of variants and models, and facts about them. Nothing here imports torch."""

import fnmatch
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from zoo import registry
from zoo.errors import InputError, UnknownNameError
from zoo.registry import Variant

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.networks.network import Network
    from zoo.package import ModelConfig
    from zoo.package.metrics import ModelMetrics


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts about a model, or about a network without identity."""

    variant: Variant
    num_classes: int
    templates: int
    """Templates per class."""
    pooling: registry.PoolingName
    """Pooling of the features: `gap` or `gsp`."""
    input_size: int
    """Height and width of the training images in pixels."""
    parameters: int
    """Number of trainable parameters."""
    config: "ModelConfig | None"
    """Identity: data set, class names, normalisation and digest of the weights; None for random weights."""
    path: "Path | None" = None
    """Model directory; None for a network."""
    metrics: "ModelMetrics | None" = None
    """Recorded training and accuracy; None for a network."""

    @property
    def name(self) -> str:
        """`VARIANT.DATA`, or the variant for a network without identity."""
        return self.config.name if self.config else self.variant.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty for a network without identity."""
        return self.config.classes if self.config else ()

    @property
    def accuracy(self) -> float | None:
        """Recorded top-1 accuracy in percent, on the test split if it was measured; None if there is none."""
        if self.metrics is None:
            return None
        scores = self.metrics.measured
        return next((scores[through].accuracy for through in sorted(scores, key="torch".__ne__)), None)


def list_models(pattern: str | Iterable[str] = "*", pretrained: bool = False) -> list[str]:
    """Names of the variants that match a shell-style pattern, or one of several, in the order of the paper's table.

    Controls are left out, since they exist only for comparisons; `zoo.info` has them.

    Arguments:
        pattern: pattern of names; for pretrained models also of variants, so that `wrn16*` and `*.cifar10` both match.
        pretrained: whether to list models with trained weights, available locally or on the Hub, as `VARIANT.DATA`.
    """
    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    variants = registry.list_models()
    if not pretrained:
        return [name for name in variants if _matches(name, patterns)]
    from zoo.hub import local_models, released_models

    known = sorted({*local_models(), *released_models()})
    found = [name for name in known if _matches(name, patterns) or _matches(name.partition(".")[0], patterns)]
    return [name for variant in variants for name in found if name.partition(".")[0] == variant]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@overload
def info(model: "Network") -> ModelInfo: ...


@overload
def info(model: str) -> Variant | ModelInfo: ...


def info(model: "str | Network") -> Variant | ModelInfo:
    """Facts about a variant, for its name alone; about a model, for a reference; or about a network.

    Arguments:
        model: a name of `zoo.list_models()`; `VARIANT.DATA`, `local-dir:PATH` or `hf-hub:ORG/NAME@REVISION`; or a
            network.

    Raises:
        UnknownNameError: the variant is unknown; similar names are suggested.
        PackageError: the model does not exist, or its directory is not valid.
    """
    if not isinstance(model, str):
        return _of_network(model)
    with suppress(UnknownNameError):
        return registry.info(model)
    from zoo.hub import open_model
    from zoo.package import CONFIG_FILE, METRICS_FILE, PARITY_FILE
    from zoo.package.metrics import own_metrics

    package = open_model(model, (CONFIG_FILE, METRICS_FILE, PARITY_FILE))
    config = package.config
    return _model_info(
        config.variant,
        num_classes=len(config.classes),
        templates=config.templates,
        pooling=config.pooling,
        input_size=config.input_size,
        config=config,
        path=package.path,
        metrics=own_metrics(package),
    )


def _of_network(network: "Network") -> ModelInfo:
    variant = getattr(network, "variant", None)
    if variant is None:
        raise InputError(
            "expected the name of a variant, a reference to a model, or a network of zoo.load or zoo.create, got a "
            f"{type(network).__name__}"
        )
    return _model_info(
        variant,
        num_classes=network.num_classes,
        templates=getattr(network.block, "templates", 1),
        pooling="gsp" if hasattr(network.pooling, "mass") else "gap",
        input_size=network.input_size,
        config=network.config,
    )


def _model_info(
    variant: str, num_classes: int, templates: int, pooling: registry.PoolingName, **facts: Any
) -> ModelInfo:
    known = registry.info(variant)
    own: dict[str, Any] = {"num_classes": num_classes, "templates": templates, "pooling": pooling}
    return ModelInfo(variant=known, parameters=known.parameters(**own), **own, **facts)
