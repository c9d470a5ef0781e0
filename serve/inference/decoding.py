"""Multi-threaded decoding of the images of a request."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from PIL import Image

from zoo.errors import ImageError, ImageTooLargeError
from zoo.images.decode import decode, decode_pixels
from zoo.images.formats import format_of
from zoo.images.preprocess import Box, Pixels

SMALL_BYTES = 2**18
SMALL_JPEG_PIXELS = 2**20
"""JPEG files are decoded at reduced size, so that more pixels take no longer than `SMALL_PIXELS` of other formats."""
SMALL_PIXELS = 2**16


class Upload(NamedTuple):
    """Uploaded file."""

    name: str
    data: bytes


class DecodedImage(NamedTuple):
    """Decoded upload."""

    name: str
    width: int
    height: int
    """Size of the upright image, in pixels."""
    pixels: Pixels
    """Network input, [3, S, S]."""
    box: Box
    """Part of the upright image that the pixels show."""
    image: Image.Image | None
    """Upright RGB image, kept only on request: it may be a thousand times the size of the pixels."""


def decode_small(upload: Upload, size: int, max_pixels: int) -> DecodedImage | None:
    """Decode a file if that takes about a millisecond, by its size and its header; otherwise None, and decode nothing.

    Arguments:
        upload: the file.
        size: height and width of the network input, in pixels.
        max_pixels: maximum width x height; None for an image above it.

    Raises:
        ImageError: the file is not a readable image; the message names it.
    """
    if len(upload.data) > SMALL_BYTES:
        return None
    kind = format_of(upload.data)
    small = SMALL_JPEG_PIXELS if kind and kind.name == "JPEG" else SMALL_PIXELS
    try:
        return _decode(upload, size, min(small, max_pixels))
    except ImageTooLargeError:
        return None
    except ImageError as error:
        raise _named(upload, error) from None


class Decoding:
    """Decoding of several images in a thread pool; the thread that finishes last calls `done`, so that no other thread
    has to be woken.

    Arguments:
        uploads: files to decode, at least one.
        size: height and width of the network input, in pixels.
        max_pixels: maximum width x height of each image.
        keep_images: whether to keep the full images as well.
        wanted: returns whether the result is still needed; called before each image.
        done: called once, at the end, on one of the threads.
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
        """All images, in order; empty if one failed or the result is no longer wanted."""
        self.error: Exception | None = None
        """Error of the first image that failed; later ones are not decoded."""
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
        """Submit the decoding to a thread pool."""
        for index in range(len(self._uploads)):
            pool.submit(self._decode, index)

    def _decode(self, index: int) -> None:
        upload = self._uploads[index]
        try:
            if not self.error and self._wanted():
                self._decoded[index] = _decode(upload, self._size, self._max_pixels, self._keep_images)
        except ImageError as error:
            self.error = self.error or _named(upload, error)
        except Exception as error:  # any error must reach the request
            self.error = self.error or error
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            if len(self._decoded) == len(self._uploads):
                self.images = [self._decoded[index] for index in range(len(self._uploads))]
            self._done(self)


def _decode(upload: Upload, size: int, max_pixels: int, keep_image: bool = False) -> DecodedImage:
    square = decode_pixels(upload.data, size, max_pixels)
    image = decode(upload.data, max_pixels) if keep_image else None
    return DecodedImage(upload.name, square.width, square.height, square.pixels, square.box, image)


def _named(upload: Upload, error: ImageError) -> ImageError:
    # A new error: the traceback of this one references the file's bytes, in a cycle that only the garbage collector
    # would free.
    return type(error)(f"{upload.name}: {error}")
