"""Cache of decoded images on disk, so that runs on the same images decode them once.

A file's name is a digest of all encoded images, the size and the code that decodes them, so none is ever out of date.
Only images that are held in memory are cached, and none of a split with unreadable files. The cache is a convenience:
whatever goes wrong with it, the images are decoded.
"""

import hashlib
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from huggingface_hub import cached_assets_path, constants

from training.data.data_set import EncodedImages
from zoo.errors import ImageError
from zoo.files import replacing
from zoo.images import avif, decode, formats, headers, preprocess, rgb
from zoo.images.preprocess import Pixels

MAX_CACHE_BYTES = 8 * 2**30
"""Size limit of the cache; the files that were not used for longest are deleted first."""

DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """Place in the cache for the pixels of some images at one size."""

    file: Path
    shape: tuple[int, ...]

    @staticmethod
    def of(encoded: EncodedImages, size: int) -> "DecodedFile | None":
        """Place of images, all of which are read for it; None if they cannot be cached."""
        shape = (len(encoded), 3, size, size)
        if math.prod(shape) > MAX_CACHE_BYTES:
            return None
        try:
            folder = cached_assets_path("template-zoo", "decoded", assets_dir=constants.HF_ASSETS_CACHE)
            return DecodedFile(folder / f"{_digest(encoded, size)}.npy", shape)
        except (OSError, ValueError, ImageError):
            return None

    def read(self) -> Pixels | None:
        """Pixels [N, 3, S, S], mapped into memory; None if they are not there, or damaged."""
        try:
            pixels: Pixels = np.load(self.file, mmap_mode="c")
            with self.file.open("rb") as stream:
                stream.seek(-DIGEST_BYTES, os.SEEK_END)
                digest = stream.read()
            if pixels.shape != self.shape or pixels.dtype != np.uint8:
                return None
            if hashlib.sha256(pixels.data).digest() != digest:
                return None
            os.utime(self.file)  # it was used now
        except (OSError, ValueError, EOFError):
            return None
        return pixels

    def write(self, pixels: Pixels) -> None:
        """Write pixels, atomically, if there is plenty of space."""
        try:
            _make_room(self.file.parent, pixels.nbytes)
            if shutil.disk_usage(self.file.parent).free < 2 * pixels.nbytes:
                return
            with replacing(self.file) as stream:
                np.save(stream, pixels)
                stream.write(hashlib.sha256(pixels.data).digest())
        except OSError:
            return


def _digest(encoded: EncodedImages, size: int) -> str:
    """Digest of everything that the pixels depend on.

    Raises:
        OSError, ImageError: an image cannot be read.
    """
    content = hashlib.sha256(f"{size} {formats.decoder_versions()}".encode())
    for module in (avif, decode, formats, headers, preprocess, rgb):
        content.update(Path(str(module.__file__)).read_bytes())
    for index in range(len(encoded)):
        data = encoded.files.read(index)
        content.update(len(data).to_bytes(8))
        content.update(data)
    return content.hexdigest()


def _make_room(folder: Path, size: int) -> None:
    """Delete files until `size` bytes can be added."""
    files = [(file.stat(), file) for file in folder.iterdir()]
    excess = sum(status.st_size for status, _ in files) + size - MAX_CACHE_BYTES
    for status, file in sorted(files, key=lambda pair: pair[0].st_mtime):
        if excess <= 0:
            break
        file.unlink(missing_ok=True)
        excess -= status.st_size
