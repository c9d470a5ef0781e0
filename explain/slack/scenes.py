"""Scenes: images shrunk to half their side, at random places on backgrounds of other images."""

from typing import NamedTuple

import torch
from torch import Tensor

from training.augment import resize
from training.composition import PATCH, texture
from zoo.errors import InputError

CHUNK = 1000
"""Images whose spectra are computed at once."""


class Scenes(NamedTuple):
    """Images on backgrounds."""

    pixels: Tensor
    """[N, 3, S, S], uint8."""
    covered: Tensor
    """[N, S / 4, S / 4], bool, whether each patch shows the image; no patch shows a part of it."""


def make_scenes(images: Tensor, backgrounds: Tensor, seed: int) -> Scenes:
    """Shrink images and put each at a random place of the patch grid on a background.

    Arguments:
        images: [N, 3, S, S], uint8; S is at least 16 and divisible by 4.
        backgrounds: [N, 3, S, S], uint8.
        seed: seed of the places.

    Raises:
        InputError: the side of the images is too small or not divisible by 4.
    """
    count, side = len(images), images.shape[-1]
    if side < 4 * PATCH or side % PATCH:
        raise InputError(f"input size {side}: must be at least {4 * PATCH} and divisible by {PATCH}")
    grid = side // PATCH
    shrunk_grid = grid // 2
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(grid - shrunk_grid + 1, (2, count), generator=generator)
    offset = torch.arange(grid) - corner[:, :, None]  # [2, N, grid]
    within = (offset >= 0) & (offset < shrunk_grid)
    covered = within[0, :, :, None] & within[1, :, None, :]
    shrunk = resize(images, shrunk_grid * PATCH)
    # Where each pixel of the scene is in the shrunk image; anything outside of it.
    source = (torch.arange(side) - PATCH * corner[:, :, None]).clamp(0, shrunk_grid * PATCH - 1)
    index = torch.arange(count)[:, None, None]
    moved = shrunk[index, :, source[0, :, :, None], source[1, :, None, :]].permute(0, 3, 1, 2)
    shown = covered.repeat_interleave(PATCH, dim=1).repeat_interleave(PATCH, dim=2)
    return Scenes(torch.where(shown[:, None], moved, backgrounds), covered)


def make_textures(images: Tensor, seed: int) -> Tensor:
    """Textures [N, 3, S, S] of uint8 images; see `training.composition.texture`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat(
        [
            texture(part, torch.randn(len(part), *part.shape[2:], generator=generator))
            for part in torch.split(images, CHUNK)
        ]
    )
