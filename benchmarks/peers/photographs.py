"""Reproducible images to send, as expensive to decode as photographs."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SOURCE = Path(__file__).parents[2] / "tests" / "data" / "cat.jpg"
QUALITY = 90
NOISE = 5.0
"""Standard deviation of the grain (of 255), which gives a JPEG file as many bits per pixel as a photograph."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Images of one size and format."""

    width: int
    height: int
    format: str
    different: int
    """Number of images, sent in rotation."""
    slow: float = 1.0
    """Factor on the length of a turn relative to small images, so that it has enough responses."""
    skipped: tuple[int, ...] = ()
    """Numbers of clients that are skipped to save time."""

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def media_type(self) -> str:
        return f"image/{self.format.lower()}"

    def images(self) -> Iterator[bytes]:
        """Files of the images: the source scaled up or down, each with its own grain."""
        with Image.open(SOURCE) as image:
            scaled = ImageOps.fit(image.convert("RGB"), (self.width, self.height), Image.Resampling.BICUBIC)
        for seed in range(self.different):
            grain = np.random.default_rng(seed).standard_normal((self.height, self.width, 1), np.float32)
            grained = (np.asarray(scaled) + NOISE * grain).clip(0, 255).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(grained).save(buffer, self.format, quality=QUALITY)
            yield buffer.getvalue()


KINDS = {
    kind.name: kind
    for kind in (
        Kind(32, 32, "PNG", different=8),
        Kind(640, 480, "JPEG", different=8),
        Kind(4000, 3000, "JPEG", different=2, slow=2.0, skipped=(8, 128)),
    )
}
