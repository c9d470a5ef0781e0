"""First prototypes of generalised sum pooling: patches of the first batch."""

import copy
from contextlib import closing
from dataclasses import replace

import torch
from lightning_fabric import Fabric

from training.feed import BatchStream
from zoo.errors import InputError
from zoo.networks.network import Network
from zoo.networks.pooling import SumPooling, choose_prototypes
from zoo.registry import PROTOTYPES

MAX_POOL = 8192
"""Maximum number of patches to choose from; those of the first images."""


def start_prototypes(network: Network, feed: BatchStream, fabric: Fabric) -> None:
    """Replace the prototypes by patches of the first batch that are far from each other (greedy k-centre).

    Every process takes the whole batch, so that prototypes do not depend on their number; like every batch, it is a
    function of the recipe and its seed. Only the prototypes change: batch statistics are those of a copy.

    Raises:
        InputError: there are more prototypes than patches, or features are not finite.
    """
    pooling = network.pooling
    assert isinstance(pooling, SumPooling)
    with closing(replace(feed, rank=0, processes=1).batches()) as batches:
        pixels = next(batches).pixels
    features = _features(network, pixels)
    count, _, rows, columns = features.shape
    if (patches := count * rows * columns) < PROTOTYPES:
        raise InputError(
            f"pooling = gsp: {PROTOTYPES} prototypes are chosen from the patches of the first batch, which has "
            f"{patches} ({count} images of {rows} x {columns}); raise batch_size or input_size"
        )
    pool = pooling.project(features)[:MAX_POOL]
    pooling.prototypes.data.copy_(fabric.broadcast(choose_prototypes(pool).to(pooling.prototypes.device)))


@torch.no_grad()
def _features(network: Network, pixels: torch.Tensor) -> torch.Tensor:
    """Features with the statistics of this batch, as in the first step."""
    own = copy.deepcopy(network).to(pixels.device).train()
    features: torch.Tensor = own.forward_features(pixels)
    return features.to(network.device)
