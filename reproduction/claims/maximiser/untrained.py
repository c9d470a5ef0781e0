"""Untrained networks, to tell what learning adds to a measurement."""

import torch
from torch import nn

from training.data.images import LabelledImages
from zoo.networks.load import create
from zoo.networks.network import Network
from zoo.package import ModelConfig

BATCH = 128


def untrained_network(config: ModelConfig, images: LabelledImages, seed: int) -> Network:
    """A network with random weights in evaluation mode, whose batch normalisations have the statistics of images.

    Arguments:
        config: configuration of a model; the network has its variant, classes and normalisation of pixels.
        images: training images, passed in training mode; the statistics are the means over batches.
        seed: seed of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = create(config.variant, num_classes=len(config.classes), normalization=config.normalization)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # cumulative average
    with torch.inference_mode():
        for batch in torch.split(images.images, BATCH):
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()
