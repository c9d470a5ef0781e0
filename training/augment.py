"""Augmentation of whole batches on their device; random draws are arguments, so a seed means the same everywhere.

All arguments of a function are on the same device.
"""

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize_image

CHUNK = 4096
"""Images resized at once; a floating-point copy of all of them would not fit on a small GPU."""


def crop_and_flip(images: Tensor, shift: Tensor, mirrored: Tensor) -> Tensor:
    """Shift images within a reflected border, and mirror some of them.

    Done in one gather: each output pixel looks up its source row and column.

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
    """Paint a square over each image (DeVries and Taylor, 2017); at the border, part of it is outside.

    Arguments:
        images: [N, 3, S, S].
        side: side of the square in pixels.
        centre: [2, N], row and column of the square's centre.
        fill: [3], the colour, of the images' type.
    """
    position = torch.arange(images.shape[-1], device=images.device)
    covered = (position - centre[:, :, None] + side // 2 >= 0) & (position - centre[:, :, None] + side // 2 < side)
    square = covered[0, :, :, None] & covered[1, :, None, :]
    return torch.where(square[:, None], fill[:, None, None], images)


def neighbour(count: int, device: torch.device) -> Tensor:
    """Index [N] of the neighbour of each image in a batch: images 0 and 1 are neighbours, 2 and 3, and so on.

    Neighbours are random, as the order of the images is, and stay together when processes share a batch. The last of an
    odd number of images is its own neighbour.
    """
    return (torch.arange(count, device=device) ^ 1).clamp(max=count - 1)


def interchange(interchanged: Tensor) -> Tensor:
    """Index [N] of the source of each image's assignment: its neighbour where `interchanged` [N] is true, else
    itself."""
    count, device = len(interchanged), interchanged.device
    return torch.where(interchanged, neighbour(count, device), torch.arange(count, device=device))


def mixup(images: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Mix each image and its label with its neighbour's (Zhang et al., 2018).

    Arguments:
        images: [N, 3, S, S], uint8.
        targets: [N, C].
        share: [N], weight of the image itself, in 0..1.

    Returns:
        Images in floating point in 0..1, and targets.
    """
    other = neighbour(len(images), images.device)
    pixels = images.float() / 255
    mixed = torch.lerp(pixels[other], pixels, share[:, None, None, None])
    return mixed.contiguous(memory_format=torch.channels_last), torch.lerp(targets[other], targets, share[:, None])


def mix_labels(targets: Tensor, shown: Tensor) -> Tensor:
    """Share [N, C, h, w] of each patch's area that shows each class.

    Arguments:
        targets: [N, C].
        shown: [N, 2, h, w], share of the area that shows the image itself, and its neighbour.
    """
    other = targets[neighbour(len(targets), targets.device)]
    return torch.einsum("npc,nphw->nchw", torch.stack([targets, other], dim=1), shown)


def beta(alpha: float, count: int, seed: int) -> Tensor:
    """`count` draws from Beta(alpha, alpha), one for both images of each pair of neighbours."""
    draws = np.random.default_rng(seed).beta(alpha, alpha, -(-count // 2)).astype(np.float32)
    return torch.from_numpy(draws).repeat_interleave(2)[:count]


def resize(images: Tensor, size: int) -> Tensor:
    """Resize uint8 images [N, 3, S, S] to side `size`, bilinear with antialiasing."""
    if images.shape[-1] == size:
        return images
    resized = images.new_empty(len(images), 3, size, size)
    for chunk, place in zip(torch.split(images, CHUNK), torch.split(resized, CHUNK), strict=True):
        place.copy_(resize_image(chunk, [size, size], antialias=True))
    return resized


def _reflect(position: Tensor, size: int) -> Tensor:
    """Positions, with those outside 0..size - 1 reflected at the border, which is not repeated."""
    return (size - 1 - (size - 1 - position.abs()).abs()).clamp(min=0)
