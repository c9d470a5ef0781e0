"""Probing of generalised sum pooling: accuracy with its weights set to 1, and their spread."""

from collections.abc import Callable

import numpy as np
import torch

from explain.probe.measure import BATCH, ProbeSettings
from explain.stats import mean_estimates
from training.data.images import LabelledImages
from zoo.errors import InputError
from zoo.networks.network import Network
from zoo.networks.pooling import AveragePooling, SumPooling
from zoo.package.pooling import PoolingProbe


@torch.inference_mode()
def probe_pooling(
    network: Network,
    images: LabelledImages,
    settings: ProbeSettings,
    progress: Callable[[int], None] = lambda done: None,
) -> PoolingProbe:
    """Classify images by the weighted mean of their features and by the plain one.

    Arguments:
        network: network with generalised sum pooling, in evaluation mode.
        images: images of the split.
        settings: provenance of network and images.
        progress: called with the number of images done.

    Raises:
        InputError: the network has another pooling.
    """
    pooling = network.pooling
    if not isinstance(pooling, SumPooling):
        raise InputError("the network pools by the plain average, which has no weights; train with pooling = gsp")
    average, rows = AveragePooling(), []
    for start in range(0, len(images.labels), BATCH):
        part = slice(start, start + BATCH)
        labels = images.labels[part].to(network.device)
        found = network.activations(images.images[part].to(network.device))
        assert found.kept is not None
        weights = pooling.weights(found.kept).flatten(1)
        own = found.logits.argmax(dim=1)
        unweighted = network.classifier(average(found.features).features).argmax(dim=1)
        columns = [
            *(own == labels, unweighted == labels, own != unweighted),
            *(weights.std(dim=1, correction=0), weights.amin(dim=1), weights.amax(dim=1)),
        ]
        rows.append(torch.stack([column.double() for column in columns], dim=1).cpu().numpy())
        progress(start + len(labels))
    values = np.concatenate(rows)
    right, right_unweighted, _, spread, lowest, highest = values.mean(axis=0)
    paired = 100 * np.stack([values[:, 1] - values[:, 0], values[:, 2]], axis=1)
    difference, changes = mean_estimates(paired, settings.seed)
    return PoolingProbe(
        data=settings.data,
        split=settings.split,
        images=len(values),
        seed=settings.seed,
        digest=settings.digest,
        accuracy=round(100 * float(right), 4),
        accuracy_unweighted=round(100 * float(right_unweighted), 4),
        difference=difference.rounded(),
        changed=changes.rounded(),
        spread=round(float(spread), 4),
        lowest=round(float(lowest), 4),
        highest=round(float(highest), 4),
    )
