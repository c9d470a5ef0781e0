"""Image files, at full resolution and as network input."""

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from zoo.errors import ImageError, reading_problem
from zoo.files import read_bounded
from zoo.images.decode import decode, decode_pixels
from zoo.images.image_files import NO_IMAGES
from zoo.images.preprocess import Box, scale_box

TILE = 256
"""Side of the images on a page, in pixels."""


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image and the part of it that a network sees."""

    file: Path
    original: Image.Image
    """Upright RGB image at its full size."""
    box: Box
    """Part of the image that the network sees."""
    pixels: Tensor
    """Network input, uint8 [1, 3, S, S]."""

    @property
    def square(self) -> Image.Image:
        """Part that the network sees, resized to `TILE` pixels; small images are enlarged without interpolation."""
        if self.box.right - self.box.left < TILE:
            return self.original.resize((TILE, TILE), Image.Resampling.NEAREST, box=self.box)
        return scale_box(self.original, self.box, TILE)


def read_image(file: Path, size: int) -> InputImage:
    """Read an image for a network with input size `size`.

    Raises:
        ImageError: the file cannot be read, or is not an image; the message begins with its name.
    """
    if file.is_dir():
        raise ImageError(f"{file}: {NO_IMAGES}")
    try:
        data = read_bounded(file)
        square = decode_pixels(data, size)
        return InputImage(file, decode(data), square.box, torch.from_numpy(square.pixels)[None])
    except (OSError, ImageError, ValueError) as error:  # ValueError: a name with a null character
        raise ImageError(reading_problem(file, error)) from None
