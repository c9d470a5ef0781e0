"""Augmentation of whole batches where they lie: what is drawn comes in, so that a seed means the same everywhere.

All arguments of a function lie on one device.
"""

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize_image

CHUNK = 4096
"""Images resized at once: the floating-point copy of all would not fit a small GPU."""


def crop_and_flip(images: Tensor, shift: Tensor, mirrored: Tensor) -> Tensor:
    """Shift images over a reflected border, and mirror some of them.

    One gather does all of it: each output pixel looks up its source row and column.

    Arguments:
        images: [N, 3, S, S].
        shift: [2, N], rows and columns in pixels, each less than S.
        mirrored: [N], bool.

    Returns:
        [N, 3, S, S] in channels_last memory format.
    """
    size = images.shape[-1]
    position = torch.arange(size, device=images.device)
    rows = _reflect(position + shift[0, :, None], size)
    columns = _reflect(position + shift[1, :, None], size)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    image = torch.arange(len(images), device=images.device)
    # Advanced indices around a slice come first in the result: [N, S, S, 3], which is channels_last.
    return images[image[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror the images [N, 3, H, W] for which `mirrored` [N] is true."""
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def cutout(images: Tensor, side: int, centre: Tensor, fill: Tensor) -> Tensor:
    """Paint a square over each image (DeVries and Taylor, 2017); at the border a part of it falls outside.

    Arguments:
        images: [N, 3, S, S].
        side: of the square, in pixels.
        centre: [2, N], row and column of the square's centre.
        fill: [3], the colour, of the images' type.
    """
    position = torch.arange(images.shape[-1], device=images.device)
    covered = (position - centre[:, :, None] + side // 2 >= 0) & (position - centre[:, :, None] + side // 2 < side)
    square = covered[0, :, :, None] & covered[1, :, None, :]
    return torch.where(square[:, None], fill[:, None, None], images)


def neighbour(count: int, device: torch.device) -> Tensor:
    """The neighbour [N] of each image of a batch: of 0 it is 1, of 1 it is 0, of 2 it is 3 and so on.

    The order of the images is random, so neighbours are; and they stay together when processes share a batch. The last
    of an odd number is its own.
    """
    return (torch.arange(count, device=device) ^ 1).clamp(max=count - 1)


def interchange(interchanged: Tensor) -> Tensor:
    """The source [N] of each image's assignment: its neighbour where `interchanged` [N] is true, else itself."""
    count, device = len(interchanged), interchanged.device
    return torch.where(interchanged, neighbour(count, device), torch.arange(count, device=device))


def mixup(images: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Mix each image and its label with its neighbour's (Zhang et al., 2018).

    Arguments:
        images: [N, 3, S, S], uint8.
        targets: [N, C].
        share: [N], what an image keeps of itself, in 0..1.

    Returns:
        Images in floating point in 0..1, and targets.
    """
    other = neighbour(len(images), images.device)
    pixels = images.float() / 255
    mixed = torch.lerp(pixels[other], pixels, share[:, None, None, None])
    return mixed.contiguous(memory_format=torch.channels_last), torch.lerp(targets[other], targets, share[:, None])


def beta(alpha: float, count: int, seed: int) -> Tensor:
    """`count` draws from Beta(alpha, alpha), one for both images of each pair of neighbours."""
    draws = np.random.default_rng(seed).beta(alpha, alpha, -(-count // 2)).astype(np.float32)
    return torch.from_numpy(draws).repeat_interleave(2)[:count]


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 images [N, 3, S, S] at side `size`, bilinear with antialiasing."""
    if images.shape[-1] == size:
        return images
    resized = images.new_empty(len(images), 3, size, size)
    for chunk, place in zip(torch.split(images, CHUNK), torch.split(resized, CHUNK), strict=True):
        place.copy_(resize_image(chunk, [size, size], antialias=True))
    return resized


def _reflect(position: Tensor, size: int) -> Tensor:
    """Positions outside 0..size - 1 mirrored at the border, which is not repeated."""
    return (size - 1 - (size - 1 - position.abs()).abs()).clamp(min=0)
