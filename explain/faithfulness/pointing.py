"""The grid pointing game: in an image of four images, does a class's map lie on its own?

M. Böhle et al., *Convolutional Dynamic Alignment Networks for Interpretable Classifications* (CVPR 2021).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.errors import InputError


class Mosaics(NamedTuple):
    """Images of 2 x 2 images of four different classes, and the quadrant that a map is asked for."""

    pixels: Tensor
    """[M, 3, 2 S, 2 S]"""
    classes: Tensor
    """[M], of the quadrant asked for."""
    quadrants: Tensor
    """[M], in reading order."""


class PointingScores(NamedTuple):
    """How well maps of mosaics point to their quadrant."""

    mass: Tensor
    """[M], share of the positive importance that lies on the quadrant; 0 where there is none; by chance 0.25."""
    hit: Tensor
    """[M], 1 where the most important patch lies on it, else 0; by chance 0.25."""


QUADRANTS = 4


def require_divisible(side: int) -> None:
    """Raise `InputError` unless mosaics of images of this side have patch grids that part into quadrants."""
    if side % 4:
        raise InputError(
            f"input size {side}: the quadrants of a mosaic need patches of their own; take a multiple of 4"
        )


def build_mosaics(images: Tensor, labels: Tensor, count: int, seed: int) -> Mosaics:
    """At most `count` mosaics of images [N, 3, S, S] with labels [N]; no image is in two of them.

    The quadrant asked for is drawn too: all methods are asked the same.

    Raises:
        InputError: there are no four images of different classes.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator).tolist()
    queues: dict[int, list[int]] = {}
    for index in order:
        queues.setdefault(int(labels[index]), []).append(index)
    fours: list[list[int]] = []
    while len(fours) < count and len(queues) >= QUADRANTS:
        # From the fullest classes, so that no class is left over alone.
        fullest = sorted(queues, key=lambda label: -len(queues[label]))[:QUADRANTS]
        places = torch.randperm(QUADRANTS, generator=generator).tolist()
        fours.append([queues[fullest[place]].pop() for place in places])
        queues = {label: queue for label, queue in queues.items() if queue}
    if not fours:
        raise InputError("a mosaic needs images of four classes")
    chosen = torch.tensor(fours)
    rows = [torch.cat([images[chosen[:, left]], images[chosen[:, left + 1]]], dim=3) for left in (0, 2)]
    quadrants = torch.randint(QUADRANTS, (len(fours),), generator=generator)
    return Mosaics(torch.cat(rows, dim=2), labels[chosen.gather(1, quadrants[:, None])[:, 0]], quadrants)


def pointing_scores(importance: Tensor, quadrants: Tensor) -> PointingScores:
    """How well importance [M, h, w] points to quadrants [M]; h and w are even."""
    rows, columns = importance.shape[1:]
    # [M, 2, 2, h/2 * w/2]
    parts = importance.reshape(-1, 2, rows // 2, 2, columns // 2).permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2)
    index = torch.arange(len(parts), device=parts.device)
    positive = parts.clamp(min=0).sum(dim=2)
    mass = positive[index, quadrants] / positive.sum(dim=1).clamp(min=torch.finfo(positive.dtype).tiny)
    return PointingScores(mass, (parts.amax(dim=2).argmax(dim=1) == quadrants).to(mass.dtype))
