"""The network that a training starts from: random weights, or those of a model."""

from dataclasses import dataclass

import torch

from training.data.images import LabelledImages
from training.data.stream import StreamedImages
from training.recipe import Recipe
from zoo.errors import InputError
from zoo.hub import open_model
from zoo.images.preprocess import Normalization
from zoo.networks.load import create, load_package
from zoo.networks.network import Network
from zoo.package import NETWORK_FILES
from zoo.package.metrics import Training, own_metrics

RELEASED = "released"
"""A recipe's `start_from` that means the variant's own model of the default data set."""


@dataclass(frozen=True, slots=True)
class Start:
    """A network to train."""

    network: Network
    normalization: Normalization
    """Of the pixels: of the images, or of those that the model had been trained on."""
    weights: str = ""
    """SHA-256 of the weights that it starts from; empty for random ones."""
    trained_on: str = ""
    """Short name of the data set that those were trained on."""
    training: Training | None = None
    """How those were trained, if anything says so."""


def start_network(variant: str, images: LabelledImages | StreamedImages, recipe: Recipe) -> Start:
    """The variant's network for the classes of the images.

    From a model of other classes, everything is kept but the tensors that belong to a class.

    Raises:
        UnknownNameError: no variant has this name.
        InputError: the model that the recipe starts from is of another variant.
        PackageError: it is not there, or is damaged.
    """
    torch.manual_seed(recipe.seed)
    package = None
    if recipe.start_from:
        package = open_model(variant if recipe.start_from == RELEASED else recipe.start_from, NETWORK_FILES)
        if package.config.variant != variant:
            raise InputError(
                f"start_from = {recipe.start_from!r} is a {package.config.variant}, and {variant} is to be trained"
            )
    normalization = images.normalization() if package is None else package.config.normalization
    network = create(
        variant, num_classes=len(images.classes), assignment=recipe.assignment, normalization=normalization
    )
    if package is None:
        return Start(network, normalization)
    weights = load_package(package).state_dict()
    same = package.config.classes == images.classes and package.config.assignment == recipe.assignment
    own = network.configured_tensors() | (set() if same else network.class_tensors())
    network.load_state_dict({**network.state_dict(), **{n: w for n, w in weights.items() if n not in own}})
    config, training = package.config, own_metrics(package).training
    return Start(network, normalization, config.weights_sha256, config.data, training)
