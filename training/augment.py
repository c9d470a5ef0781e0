"""Random crops and flips of whole batches, where the batch lies."""

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize_image


def crop_and_flip(images: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `padding` pixels each way over a reflected border, and mirror half of them.

    One gather does all of it: each output pixel looks up its source row and column.

    Arguments:
        images: [N, 3, S, S].
        generator: on the CPU, so that a seed gives the same crops on every device.

    Returns:
        [N, 3, S, S] in channels_last memory format.
    """
    count, _, size, _ = images.shape
    shift = torch.randint(-padding, padding + 1, (2, count, 1), generator=generator)
    position = torch.arange(size)
    rows = _reflect(position + shift[0], size)
    columns = _reflect(position + shift[1], size)
    if flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows, columns = rows.to(images.device), columns.to(images.device)
    image = torch.arange(count, device=images.device)
    # Advanced indices around a slice come first in the result: [N, S, S, 3], which is channels_last.
    return images[image[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 images [N, 3, S, S] at side `size`, bilinear with antialiasing."""
    if images.shape[-1] == size:
        return images
    return resize_image(images, [size, size], antialias=True)


def _reflect(position: Tensor, size: int) -> Tensor:
    """Positions outside 0..size - 1 mirrored at the border, which is not repeated."""
    return (size - 1 - (size - 1 - position.abs()).abs()).clamp(min=0)
