"""The pixels of patches: a choice of cells of the patch grid as a mask over an image, and what replaces them."""

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
    """The mean colour of each image [N, 3, H, W], in 0..1: [N, 3, 1, 1]."""
    return as_float(pixels).mean(dim=(2, 3), keepdim=True)


def select_class(values: Tensor, classes: Tensor) -> Tensor:
    """The values [N, h, w] of each image's class, from values [N, C, h, w] and class indices [N]."""
    return values[torch.arange(len(classes), device=values.device), classes]
