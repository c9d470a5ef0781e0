"""The network from which training starts, and the model directory that it writes, with its evaluations."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from training.data.images import LabelledImages
from training.data.stream import StreamedImages
from training.device import choose_precision, device_name
from training.evaluate import Evaluation
from training.loop import TrainedNetwork
from training.recipe import Recipe
from zoo.errors import InputError, PackageError
from zoo.files import write_atomically, write_json
from zoo.hub import open_model
from zoo.images.preprocess import Normalization
from zoo.networks.blocks import SemanticBlock
from zoo.networks.load import create, load_package
from zoo.networks.network import Network
from zoo.networks.pooling import SumPooling, pooling_name
from zoo.networks.save import weights_file
from zoo.package import CONFIG_FILE, METRICS_FILE, NETWORK_FILES, WEIGHTS_FILE, ModelConfig, Package
from zoo.package.card import write_card
from zoo.package.metrics import digest_field, read_metrics

RELEASED = "released"
"""Value of a recipe's `start_from` for the variant's own model of the default data set."""


@dataclass(frozen=True, slots=True)
class Start:
    """A network to train."""

    network: Network
    normalization: Normalization
    """Normalisation of the pixels, from the images or from the model to start from."""
    weights: str = ""
    """SHA-256 of the initial weights; empty for random ones."""
    new_prototypes: bool = False
    """Whether the network pools by prototypes that are random yet."""


def open_start(variant: str, recipe: Recipe) -> Package | None:
    """The model to start from, with its digest checked; None for random weights.

    Raises:
        InputError: it is of another variant.
        PackageError: it does not exist or is damaged.
    """
    if not recipe.start_from:
        return None
    package = open_model(variant if recipe.start_from == RELEASED else recipe.start_from, NETWORK_FILES)
    if package.config.variant != variant:
        raise InputError(f"start_from = {recipe.start_from!r} is a {package.config.variant}; it must be a {variant}")
    package.weights()
    return package


def start_network(variant: str, images: LabelledImages | StreamedImages, recipe: Recipe) -> Start:
    """Create the variant's network for the classes of the images.

    From a model with other classes or another number of templates, all tensors are kept except those that depend on the
    classes; from one with another pooling, all except the pooling's.

    Raises:
        UnknownNameError: the variant is unknown.
        InputError: this one cannot have the recipe's templates; or as for `open_start`.
        PackageError: as for `open_start`.
    """
    torch.manual_seed(recipe.seed)
    package = open_start(variant, recipe)
    normalization = images.normalization() if package is None else package.config.normalization
    network = create(
        variant,
        num_classes=len(images.classes),
        assignment=recipe.assignment,
        normalization=normalization,
        templates=recipe.templates,
        pooling=recipe.pooling,
        kept_mass=recipe.kept_mass,
        pooling_gamma=recipe.pooling_gamma,
    )
    pools = isinstance(network.pooling, SumPooling)
    if package is None:
        return Start(_fitted(network, recipe), normalization, new_prototypes=pools)
    weights = load_package(package).state_dict()
    config = package.config
    same = (config.classes, config.assignment, config.templates) == (
        images.classes,
        recipe.assignment,
        recipe.templates,
    )
    own = network.configured_tensors() | (set() if same else network.class_tensors())
    state = network.state_dict()
    kept = {name: value for name, value in weights.items() if name in state and name not in own}
    network.load_state_dict({**state, **kept})
    return Start(_fitted(network, recipe), normalization, config.weights_sha256, pools and config.pooling == "gap")


def _fitted(network: Network, recipe: Recipe) -> Network:
    if recipe.patch_loss == "slack" and isinstance(network.block, SemanticBlock):
        network.block.fix_assignment()
    return network


def describe(
    variant: str, data: str, classes: tuple[str, ...], normalization: Normalization, recipe: Recipe, network: Network
) -> ModelConfig:
    """The identity of a trained network.

    Arguments:
        variant: the variant that was trained.
        data: short name of the data set.
        classes: C names.
        normalization: normalisation of the pixels.
        recipe: recipe of the training, with its input size.
        network: trained network, whose weights are part of the identity.

    Raises:
        InputError: its head was replaced but not its templates.
    """
    network.require_consistent_classes()
    return ModelConfig(
        variant=variant,
        data=data,
        classes=classes,
        input_size=recipe.input_size,
        normalization=normalization,
        weights_sha256=hashlib.sha256(weights_file(network)).hexdigest(),
        assignment=recipe.assignment,
        templates=recipe.templates,
        pooling=pooling_name(network.pooling),
        kept_mass=network.pooling.mean_kept,
        pooling_gamma=network.pooling.sharpness,
    )


def save_model(
    out: Path,
    config: ModelConfig,
    trained: TrainedNetwork,
    images: LabelledImages | StreamedImages,
    recipe: Recipe,
    recipe_name: str,
    held_out: float = 0.0,
    limit: int | None = None,
    data_digest: str | None = None,
    teacher: ModelConfig | None = None,
) -> Package:
    """Write a model directory: weights, configuration, training record and card.

    Arguments:
        out: the directory; files of the same names are replaced.
        config: identity, from `describe`.
        trained: the trained network, with time and history.
        images: training images.
        recipe: recipe of the training.
        recipe_name: name of the recipe before changes.
        held_out: share of the training split that was held out.
        limit: limit on the number of training images.
        data_digest: digest of the training split before holding out; see `training.data.data_set.data_digest`.
        teacher: the teacher's identity; None if only the labels were learned.
    """
    kept = _evaluations_of(out, config)
    write_atomically(out / WEIGHTS_FILE, weights_file(trained.network))
    write_atomically(out / CONFIG_FILE, config.to_json().encode())
    training = {
        "data": config.data,
        "split": "train",
        "weights_sha256": config.weights_sha256,
        "images": len(images.labels),
        "held_out": held_out,
        "limit": limit,
        "data_digest": data_digest,
        "teacher": teacher and {"name": teacher.name, "weights_sha256": teacher.weights_sha256},
        "recipe_name": recipe_name,
        "recipe": asdict(recipe),
        "minutes": round(trained.seconds / 60, 1),
        "machine": _machine(trained.network.device, recipe),
        "torch": torch.__version__,
        "history": [{name: round(value, 4) for name, value in epoch.items()} for epoch in trained.history],
    }
    package = Package.open(out)
    write_json(out / METRICS_FILE, kept | {"training": training})
    write_card(package)
    return package


def record_evaluation(package: Package, split: str, through: str, evaluation: Evaluation, digest: str) -> None:
    """Add an evaluation on the model's own data set to its `metrics.json`, and update the card.

    Arguments:
        package: the model directory.
        split: measured split: `test`, `validation`, `train`, or `held-out`.
        through: runtime: `torch`, `server` or a key of `zoo.package.metrics.THROUGH`.
        evaluation: the result.
        digest: digest of the ONNX file, or of the weights.

    Raises:
        PackageError: the existing `metrics.json` is not valid.
    """
    read_metrics(package)
    metrics = package.metrics()
    metrics.setdefault(split, {})[through] = evaluation.to_json() | {digest_field(through): digest}
    write_json(package.path / METRICS_FILE, metrics)
    write_card(package)


def _evaluations_of(out: Path, config: ModelConfig) -> dict[str, Any]:
    """Earlier evaluations of the same weights in the directory, if there are any."""
    try:
        package = Package.open(out)
        read_metrics(package)
    except PackageError:
        return {}
    return package.metrics() if package.config == config else {}


def _machine(device: torch.device, recipe: Recipe) -> dict[str, Any]:
    threads = {} if device.type == "cuda" else {"threads": torch.get_num_threads()}
    return {"device": device_name(device), **threads, "precision": choose_precision(recipe.precision, device)[0]}
