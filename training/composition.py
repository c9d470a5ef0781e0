"""Images composed of two: moved onto a background without label, or with a rectangle of their neighbour (CutMix).

What each patch shows is then known. All arguments of a function are on the same device; random draws are arguments.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from training.augment import neighbour

PATCH = 4
"""Side of a patch of the grid in pixels."""
MIN_SCALE = 0.5
"""Smallest side of an image on a canvas, as a share of the canvas."""


class Composed(NamedTuple):
    """Composed images, and what they show."""

    pixels: Tensor
    """[N, 3, S, S], uint8."""
    shown: Tensor
    """[N, 2, S / 4, S / 4], share of each patch's area that shows the image itself, and its neighbour."""


def compose(images: Tensor, kind: Tensor, place: Tensor, noise: Tensor, canvas: float, cutmix: float) -> Composed:
    """Move a share of the images onto a canvas, and paste a rectangle of the neighbour into another share.

    Arguments:
        images: [N, 3, S, S], uint8.
        kind: [N], uniform in 0..1: below `canvas` an image is moved; below `canvas + cutmix` it gets a rectangle.
        place: [3, N], uniform in 0..1: size, row and column.
        noise: [S, S, N], whose phases make the textures; see `texture`.
        canvas: share of images that are moved.
        cutmix: share of images that get a rectangle.
    """
    count, side = len(images), images.shape[-1]
    moved, pasted = kind < canvas, (kind >= canvas) & (kind < canvas + cutmix)
    pixels = images
    itself = torch.ones(count, side, side, dtype=torch.bool, device=images.device)
    other = torch.zeros_like(itself)
    partner = images[neighbour(count, images.device)]
    if canvas:
        shrunk, inside = shrink(images, MIN_SCALE + (1 - MIN_SCALE) * place[0], place[1:])
        on_texture = torch.where(inside[:, None], shrunk, texture(partner, noise.permute(2, 0, 1)))
        pixels = torch.where(moved[:, None, None, None], on_texture, pixels)
        itself = torch.where(moved[:, None, None], inside, itself)
    if cutmix:
        other = rectangle(side, place) & pasted[:, None, None]
        pixels = torch.where(other[:, None], partner, pixels)
        itself = itself & ~other
    shown = F.avg_pool2d(torch.stack([itself, other], dim=1).float(), PATCH)
    return Composed(pixels.contiguous(memory_format=torch.channels_last), shown)


def shrink(images: Tensor, scale: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Shrink each image and move it within its frame.

    Arguments:
        images: [N, 3, S, S], uint8.
        scale: [N], side of the shrunk image as a share of the frame.
        place: [2, N], row and column as shares of the free space, 0..1.

    Returns:
        Frames [N, 3, S, S], uint8, with arbitrary pixels outside the shrunk image; and where it is, bool [N, S, S].
    """
    side = images.shape[-1]
    position = (2 * torch.arange(side, device=images.device) + 1) / side - 1
    centre = (1 - scale) * (2 * place - 1)
    # [2, N, S]: coordinates of the source, in -1..1 inside the image.
    source = (position - centre[:, :, None]) / scale[:, None]
    rows, columns = source[0, :, :, None].expand(-1, -1, side), source[1, :, None, :].expand(-1, side, -1)
    grid = torch.stack([columns, rows], dim=3)
    sampled = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return sampled.round().byte(), (grid.abs() <= 1).all(dim=3)


def texture(images: Tensor, noise: Tensor) -> Tensor:
    """Textures [N, 3, S, S], uint8: the images' spectra with random phases, the same in all colours.

    A texture keeps the colours and the scale of an image's details, but none of its shapes.

    Arguments:
        images: [N, 3, S, S], uint8.
        noise: [N, S, S], real white noise, whose phases are added.
    """
    turned = torch.fft.rfft2(noise)
    turned = turned / turned.abs().clamp(min=torch.finfo(noise.dtype).tiny)
    turned[:, 0, 0] = 1  # the mean colour stays
    spectrum = torch.fft.rfft2(images.float()) * turned[:, None]
    return torch.fft.irfft2(spectrum, s=images.shape[-2:]).round().clamp(0, 255).byte()


def rectangle(side: int, place: Tensor) -> Tensor:
    """CutMix's rectangles, bool [N, side, side] (Yun et al., 2019): uniform in area, cut off at the border.

    Arguments:
        side: side of the images in pixels.
        place: [3, N], area as a share of the image, and row and column of the centre, in 0..1.
    """
    half = place[0].sqrt() / 2
    position = (torch.arange(side, device=place.device) + 0.5) / side
    near = (position - place[1:, :, None]).abs() < half[:, None]  # [2, N, side]
    return near[0, :, :, None] & near[1, :, None, :]
