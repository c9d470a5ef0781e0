"""Measurement of the slack: does `none` separate background from object, and better than a plain doubt?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from explain.pointing import QUADRANTS, build_mosaics, pointing_scores, require_divisible
from explain.slack.scenes import make_scenes
from explain.slack.separation import area_by_cell
from explain.stats import Estimate, Floats, bootstrap, mean_estimate
from zoo.errors import InputError
from zoo.networks.network import Network, Semantics
from zoo.package.slack import SlackMeasurement

BATCH = 250
RESAMPLES = 200
"""Fewer resamples than elsewhere, since each sums over all patches."""


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Provenance of a measurement."""

    data: str
    split: str
    seed: int
    digest: str
    """SHA-256 of the weights."""
    backgrounds: str


def measure_separation(
    network: Network,
    images: Tensor,
    labels: Tensor,
    backgrounds: Tensor,
    settings: SlackSettings,
    progress: Callable[[int], None] = lambda done: None,
) -> SlackMeasurement:
    """Measure a network on scenes.

    Arguments:
        network: network in evaluation mode; without a semantic block, `none` is a softmax entry of logit 0 beside the
            patch logits.
        images: [N, 3, S, S], uint8.
        labels: [N].
        backgrounds: [N, 3, S, S], uint8, of other images.
        settings: provenance of network and images.
        progress: called with the number of scenes done.

    Raises:
        InputError: there are too few images for every cell to show object and background, or they are too small.
    """
    scenes = make_scenes(images, backgrounds, settings.seed)
    covered = scenes.covered.numpy()
    if not (covered.any(axis=0) & ~covered.all(axis=0)).all():
        raise InputError(f"images = {len(images)}: too few for every cell to show object and background; use more")
    none, doubt, right = [], [], 0
    for pixels, truth in zip(torch.split(scenes.pixels, BATCH), torch.split(labels, BATCH), strict=True):
        with torch.inference_mode():
            semantics = network.semantics(pixels.to(network.device))
        none.append(shares_of(semantics)[:, -1].cpu().numpy())
        doubt.append((1 - semantics.patch_logits.softmax(dim=1).amax(dim=1)).cpu().numpy())
        right += int((semantics.logits.argmax(dim=1).cpu() == truth).sum())
        progress(sum(map(len, none)))
    shares, doubts = np.concatenate(none), np.concatenate(doubt)
    areas = area_by_cell(shares, covered), area_by_cell(doubts, covered)

    def statistic(counts: Floats) -> Floats:
        one, other = (area(counts) for area in areas)
        return np.array([one, other, one - other])

    estimates = bootstrap(statistic, len(images), settings.seed, RESAMPLES)
    own, rival, difference = (estimate.rounded() for estimate in estimates)
    return SlackMeasurement(
        data=settings.data,
        split=settings.split,
        images=len(images),
        seed=settings.seed,
        digest=settings.digest,
        backgrounds=settings.backgrounds,
        none=own,
        doubt=rival,
        difference=difference,
        none_on_object=_mean(shares, covered),
        none_on_background=_mean(shares, ~covered),
        accuracy=round(100 * right / len(images), 4),
        pointing=_pointing(network, images, labels, settings.seed),
    )


def _pointing(network: Network, images: Tensor, labels: Tensor, seed: int) -> Estimate | None:
    if len(set(labels.tolist())) < QUADRANTS:
        return None
    require_divisible(images.shape[-1])
    mosaics = build_mosaics(images, labels, len(images), seed)
    found = []
    for pixels, classes, quadrants in zip(*(torch.split(part, BATCH) for part in mosaics), strict=True):
        with torch.inference_mode():
            shares = shares_of(network.semantics(pixels.to(network.device))).cpu()
        found.append(pointing_scores(shares[torch.arange(len(shares)), classes], quadrants).mass)
    return mean_estimate(torch.cat(found).numpy(), seed).rounded()


def shares_of(semantics: Semantics) -> Tensor:
    """Shares of the classes and `none` in each patch, [N, C + 1, h, w]: the assignment, or without a semantic block a
    softmax of the patch logits and 0.
    """
    if semantics.assignment is not None:
        return semantics.assignment
    return F.pad(semantics.patch_logits, (0, 0, 0, 0, 0, 1)).softmax(dim=1)


def _mean(shares: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return round(float(shares[where].mean(dtype=np.float64)), 4)
