"""Pixel masks of cells of the patch grid, and the mean colour to replace them with."""

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import InputError


def as_float(pixels: Tensor) -> Tensor:
    """Pixels in 0..1: uint8 pixels divided by 255, others unchanged."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels


def pixel_mask(cells: Tensor, height: int, width: int) -> Tensor:
    """Pixel mask [N, 1, height, width] of boolean cells [N, h, w].

    Raises:
        InputError: the grid is finer than the pixels.
    """
    if cells.shape[1] > height or cells.shape[2] > width:
        raise InputError(
            f"a grid of {list(cells.shape[1:])} cells is finer than {height} x {width} pixels; use a larger image"
        )
    return F.interpolate(cells[:, None].float(), (height, width), mode="nearest-exact") > 0.5


def mean_colour(pixels: Tensor) -> Tensor:
    """Mean colour [N, 3, 1, 1], in 0..1, of each image [N, 3, H, W]."""
    return as_float(pixels).mean(dim=(2, 3), keepdim=True)


def select_class(values: Tensor, classes: Tensor) -> Tensor:
    """Values [N, h, w] of each image's class, selected from values [N, C, h, w] by class indices [N]."""
    return values[torch.arange(len(classes), device=values.device), classes]
