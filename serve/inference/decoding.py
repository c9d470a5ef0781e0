"""Decoding of the images of one request by several threads."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from PIL import Image

from zoo.errors import ImageError
from zoo.images.decode import decode, decode_pixels
from zoo.images.preprocess import Box, Pixels


class Upload(NamedTuple):
    """An uploaded file."""

    name: str
    data: bytes


class DecodedImage(NamedTuple):
    """A decoded upload."""

    name: str
    width: int
    height: int
    """Size of the upright image, in pixels."""
    pixels: Pixels
    """[3, S, S]"""
    box: Box
    """The part of the upright image that the pixels show."""
    image: Image.Image | None
    """The upright image in RGB, where it was asked for: it may have a thousand times the pixels' bytes."""


class Decoding:
    """Decodes images; the thread that ends last goes on with them, so that nobody else has to be woken for it.

    Arguments:
        uploads: at least one.
        size: height and width in pixels of what the network sees.
        max_pixels: limit on width x height of each.
        keep_images: whether the whole images are kept, too.
        wanted: whether anybody still waits; asked before each image.
        done: called once, in the end, by one of the threads.
    """

    def __init__(
        self,
        uploads: Sequence[Upload],
        *,
        size: int,
        max_pixels: int,
        keep_images: bool,
        wanted: Callable[[], bool],
        done: Callable[["Decoding"], None],
    ) -> None:
        self.images: list[DecodedImage] = []
        """All of them, in order; none if one failed or nobody waits any more."""
        self.error: Exception | None = None
        """Of the first that failed; the ones after it were not decoded."""
        self._uploads = uploads
        self._size = size
        self._max_pixels = max_pixels
        self._keep_images = keep_images
        self._wanted = wanted
        self._done = done
        self._decoded: dict[int, DecodedImage] = {}
        self._left = len(uploads)
        self._lock = threading.Lock()

    def start(self, pool: Executor) -> None:
        """Let the threads of a pool do it."""
        for index in range(len(self._uploads)):
            pool.submit(self._decode, index)

    def _decode(self, index: int) -> None:
        upload = self._uploads[index]
        try:
            if not self.error and self._wanted():
                self._decoded[index] = self._read(upload)
        except ImageError as error:
            # A new one: this one knows the frames that hold the file, and only the garbage collector would free it.
            self.error = self.error or type(error)(f"{upload.name}: {error}")
        except Exception as error:  # whatever it is, whoever waits must learn of it
            self.error = self.error or error
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            if len(self._decoded) == len(self._uploads):
                self.images = [self._decoded[index] for index in range(len(self._uploads))]
            self._done(self)

    def _read(self, upload: Upload) -> DecodedImage:
        square = decode_pixels(upload.data, self._size, self._max_pixels)
        image = decode(upload.data, self._max_pixels) if self._keep_images else None
        return DecodedImage(upload.name, square.width, square.height, square.pixels, square.box, image)
