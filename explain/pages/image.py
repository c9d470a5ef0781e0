"""An image file as a person sees it and as a network does."""

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from zoo.errors import ImageError, reason_of
from zoo.files import read_bounded
from zoo.images.decode import decode, decode_pixels
from zoo.images.preprocess import Box, scale_box

TILE = 256
"""Side in pixels of the square that is drawn."""


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image and the part of it that a network sees."""

    file: Path
    original: Image.Image
    """RGB, upright, at its full size."""
    box: Box
    """The part that the network sees."""
    pixels: Tensor
    """[1, 3, S, S], uint8"""

    @property
    def square(self) -> Image.Image:
        """The part that the network sees, `TILE` pixels wide; the pixels of a small image stay visible."""
        if self.box.right - self.box.left < TILE:
            return self.original.resize((TILE, TILE), Image.Resampling.NEAREST, box=self.box)
        return scale_box(self.original, self.box, TILE)


def read_image(file: Path, size: int) -> InputImage:
    """Read an image for a network with input of side `size`.

    Raises:
        ImageError: it cannot be read, or is not an image; the message begins with the file.
    """
    if file.is_dir():
        raise ImageError(f"{file}: it is a folder; name its images, as in {file}/*.jpg")
    try:
        data = read_bounded(file)
        square = decode_pixels(data, size)
        return InputImage(file, decode(data), square.box, torch.from_numpy(square.pixels)[None])
    except (OSError, ImageError, ValueError) as error:  # a ValueError: a name with a null character
        reason = reason_of(error)
        raise ImageError(f"{file}: {reason}") from None
