"""Grid pointing game: in a mosaic of four images, is the map of a class located on the image of that class?

M. Böhle et al., *Convolutional Dynamic Alignment Networks for Interpretable Classifications* (CVPR 2021).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.errors import InputError


class Mosaics(NamedTuple):
    """Mosaics of 2 x 2 images of four different classes, each with a target quadrant."""

    pixels: Tensor
    """Mosaics, [M, 3, 2 S, 2 S]."""
    classes: Tensor
    """Classes of the target quadrants, [M]."""
    quadrants: Tensor
    """Indices of the target quadrants in reading order, [M]."""


class PointingScores(NamedTuple):
    """Scores of the maps of M mosaics; the chance level is 0.25."""

    mass: Tensor
    """Share of the positive importance in the target quadrant, [M]; 0 if there is no positive importance."""
    hit: Tensor
    """1 if the most important patch is in the target quadrant, else 0, [M]."""


QUADRANTS = 4


def require_divisible(side: int) -> None:
    """Raise `InputError` unless the patch grid of mosaics of images of this side divides into quadrants."""
    if side % 4:
        raise InputError(
            f"input size {side}: must be a multiple of 4, so that no patch of a mosaic spans two quadrants"
        )


def build_mosaics(images: Tensor, labels: Tensor, count: int, seed: int) -> Mosaics:
    """Build up to `count` mosaics of images [N, 3, S, S] with labels [N], each image being used at most once.

    The target quadrant is sampled here, so that it is the same for all methods.

    Raises:
        InputError: there are no images of four different classes.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator).tolist()
    queues: dict[int, list[int]] = {}
    for index in order:
        queues.setdefault(int(labels[index]), []).append(index)
    fours: list[list[int]] = []
    while len(fours) < count and len(queues) >= QUADRANTS:
        # From the classes with the most remaining images, to use as many images as possible.
        fullest = sorted(queues, key=lambda label: -len(queues[label]))[:QUADRANTS]
        places = torch.randperm(QUADRANTS, generator=generator).tolist()
        fours.append([queues[fullest[place]].pop() for place in places])
        queues = {label: queue for label, queue in queues.items() if queue}
    if not fours:
        raise InputError("mosaics need images of four classes; use more images")
    chosen = torch.tensor(fours)
    rows = [torch.cat([images[chosen[:, left]], images[chosen[:, left + 1]]], dim=3) for left in (0, 2)]
    quadrants = torch.randint(QUADRANTS, (len(fours),), generator=generator)
    return Mosaics(torch.cat(rows, dim=2), labels[chosen.gather(1, quadrants[:, None])[:, 0]], quadrants)


def pointing_scores(importance: Tensor, quadrants: Tensor) -> PointingScores:
    """Scores of importance maps [M, h, w] for target quadrants [M]; h and w are even."""
    rows, columns = importance.shape[1:]
    # [M, 2, 2, h/2 * w/2]
    parts = importance.reshape(-1, 2, rows // 2, 2, columns // 2).permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)
    index = torch.arange(len(parts), device=parts.device)
    positive = parts.clamp(min=0).sum(dim=2)
    mass = positive[index, quadrants] / positive.sum(dim=1).clamp(min=torch.finfo(positive.dtype).tiny)
    return PointingScores(mass, (parts.amax(dim=2).argmax(dim=1) == quadrants).to(mass.dtype))
