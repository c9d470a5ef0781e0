"""Additional measurements of a probe: the block's maps, its mixture and its class vectors."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from explain.tapping import tap, template_vectors
from training.data.images import LabelledImages
from zoo.networks.load import create
from zoo.networks.network import Network
from zoo.outputs import Array
from zoo.package import Package
from zoo.package.metrics import own_metrics

STRENGTH_IMAGES = 1000
"""Maximum number of images for measuring the strength of the mixture."""


def between_images(shares: Array) -> float:
    """Between-image share of the variance of the assignment, summed over classes."""
    classes = shares[:, :-1]
    of_images = classes.mean(axis=(2, 3), dtype=np.float64)
    total = classes.var(axis=(0, 2, 3), dtype=np.float64).sum()
    return round(float(of_images.var(axis=0).sum() / total), 4) if total else 1.0


def one_class(shares: Array) -> NDArray[np.bool_]:
    """Mask [N] of the images with the same strongest class, apart from `none`, in all patches."""
    strongest = shares[:, :-1].argmax(axis=1).reshape(len(shares), -1)
    return (strongest == strongest[:, :1]).all(axis=1)


def mixture_strength(network: Network, images: LabelledImages) -> float:
    """Ratio of the standard deviations of the mixture and of the block's input features, on some of the images."""
    spaces = tap(network, images.images[:STRENGTH_IMAGES].numpy()).spaces
    return round(float(spaces["mixture"].std(dtype=np.float64) / spaces["before"].std(dtype=np.float64)), 4)


def cosine_to_start(package: Package, network: Network) -> float | None:
    """Cosine similarity of the class vectors to their random initialisation; None if that is not known."""
    training = own_metrics(package).training
    if training is None or training.recipe.get("start_from") or "seed" not in training.recipe:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.recipe["seed"])
        config = package.config
        start = create(
            config.variant,
            num_classes=len(config.classes),
            assignment=config.assignment,
            templates=config.templates,
        )
    before, now = template_vectors(start), template_vectors(network)
    assert before is not None
    assert now is not None
    return round(
        float(F.cosine_similarity(torch.from_numpy(before).flatten(), torch.from_numpy(now).flatten(), dim=0)), 4
    )
