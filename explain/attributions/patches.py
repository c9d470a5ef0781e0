"""The pixels of patches: a choice of cells of the patch grid as a mask over a picture, and what replaces them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import InputError


def as_float(pixels: Tensor) -> Tensor:
    """Pixels in 0..1: uint8 ones divided by 255, others unchanged."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels


def pixel_mask(cells: Tensor, height: int, width: int) -> Tensor:
    """Cells [N, h, w], boolean, as a mask [N, 1, height, width] over the pixels.

    Raises:
        InputError: the grid is finer than the pixels.
    """
    if cells.shape[1] > height or cells.shape[2] > width:
        raise InputError(f"a grid of {list(cells.shape[1:])} cells is finer than {height} x {width} pixels")
    return F.interpolate(cells[:, None].float(), (height, width), mode="nearest-exact") > 0.5


def mean_colour(pixels: Tensor) -> Tensor:
    """The mean colour of each picture [N, 3, H, W], in 0..1: [N, 3, 1, 1]."""
    return as_float(pixels).mean(dim=(2, 3), keepdim=True)


def on_patches(values: Tensor, classes: Tensor) -> Tensor:
    """Of values [N, C, h, w] those of each picture's class: [N, h, w] for class indices [N]."""
    return values[torch.arange(len(classes), device=values.device), classes]
