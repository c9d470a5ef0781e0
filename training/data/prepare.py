"""Preparation of images: a first decoding, which finds unreadable ones, and the choice to hold them in memory."""

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from training.data.data_set import EncodedImages, class_counts, open_split, sample
from training.data.decode_all import decode_all
from training.data.decoded_cache import DecodedFile
from training.data.images import LabelledImages, normalization_of
from training.data.stream import StreamedImages
from zoo.errors import DataError
from zoo.images.decode import size_of
from zoo.images.preprocess import Normalization, Pixels
from zoo.machine import total_memory
from zoo.package import MIN_INPUT_SIZE

SAMPLE = 1000
"""Number of images whose headers are read to determine the size of a split's images."""

MAX_CHOSEN_SIZE = 96
"""Largest input size that is chosen automatically, as the cost of a step grows with its square."""

MAX_EXCESS = 1.5
"""Ratio of image to input size up to which scaled images are held; crops of larger ones show more detail."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Images to train on or to measure on, with the unreadable ones."""

    images: LabelledImages | StreamedImages
    unreadable: tuple[str, ...]
    """`where: reason` of each image that was left out, in order."""
    why: str
    """Whether the images are held in memory, with the reason, in one sentence."""


def choose_input_size(encoded: EncodedImages) -> tuple[int, str]:
    """Choose the input size for images: their median short side, within limits.

    Returns:
        The side in pixels, a multiple of 4 from `zoo.package.MIN_INPUT_SIZE` to `MAX_CHOSEN_SIZE`, and the reason.

    Raises:
        DataError: no image's header can be read.
    """
    sides = _short_sides(encoded)
    side = _median(sides)
    size = min(max(side, MIN_INPUT_SIZE), MAX_CHOSEN_SIZE) // 4 * 4
    limits = "" if MIN_INPUT_SIZE <= side <= MAX_CHOSEN_SIZE else f" (limits: {MIN_INPUT_SIZE} to {MAX_CHOSEN_SIZE})"
    seen = f"{len(sides):,} of {len(encoded):,}" if len(sides) < len(encoded) else f"{len(encoded):,}"
    return size, (
        f"the median short side of {seen} images is {side} pixels{limits}; the patch grid is {size // 4} x {size // 4}"
    )


def prepare(
    encoded: EncodedImages,
    size: int,
    *,
    memory: int | None = None,
    crops: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> Prepared:
    """Decode every image once, and hold the images in memory if they fit and little detail is lost.

    Unreadable images are skipped and listed in the result. Images that are held are kept in a cache on disk, and not
    decoded again by the next run.

    Arguments:
        encoded: images of a split.
        size: side in pixels of the network's input.
        memory: limit in bytes on images held in memory; None for a quarter of the machine's memory.
        crops: whether the images are for training on crops, for which large ones are not scaled down; otherwise they
        are held if they fit.
        progress: called with the number of images done.

    Raises:
        DataError: no image at all, or none of a class to be trained, can be read.
    """
    held, why = _choose(encoded, size, memory if memory is not None else total_memory() // 4, crops)
    cached = DecodedFile.of(encoded, size) if held else None
    if cached is not None and (decoded_before := cached.read()) is not None:
        progress(len(encoded))
        whole = LabelledImages(torch.from_numpy(decoded_before), encoded.labels, encoded.classes, encoded.files)
        return Prepared(whole, (), why)
    survey = _Survey(encoded.classes)
    pixels = np.empty((len(encoded) if held else 0, 3, size, size), dtype=np.uint8)
    kept: list[int] = []
    problems: list[str] = []
    for index, decoded in enumerate(decode_all(encoded, size)):
        if isinstance(decoded, DataError):
            problems.append(str(decoded))
        else:
            if held:
                pixels[len(kept)] = decoded
            else:
                survey.add(decoded)
            kept.append(index)
        progress(index + 1)
    if problems:
        left = encoded.select(kept)
        if crops or not kept:
            _require_all_classes(encoded, left, problems)
        encoded = left
    elif cached is not None:
        cached.write(pixels)
    images: LabelledImages | StreamedImages
    if held:
        images = LabelledImages(torch.from_numpy(pixels[: len(kept)]), encoded.labels, encoded.classes, encoded.files)
    else:
        images = StreamedImages(encoded, size, survey.digest(encoded.labels), survey.normalization())
    return Prepared(images, tuple(problems), why)


def load_split(source: str, split: str, size: int = 32, limit: int | None = None, seed: int = 0) -> LabelledImages:
    """Decode one split of a data set.

    Arguments:
        source: as for `training.data.data_set.DataSet`.
        split: `train`, `test` or another split of the source.
        size: side of the images in pixels; other sizes are scaled by `zoo.images.preprocess.to_pixels`.
        limit: maximum number of images; see `sample`.
        seed: seed of the sample.

    Raises:
        DataError: the data set or split does not exist, has no images or labels, or an image cannot be read.
    """
    return load(sample(open_split(source, split), limit, seed), size).images


class Loaded(NamedTuple):
    """Images in memory."""

    images: LabelledImages
    unreadable: tuple[str, ...]
    """`where: reason` of each image that was left out."""


def load(encoded: EncodedImages, size: int, *, skip_unreadable: bool = False) -> Loaded:
    """Decode all images into memory.

    Raises:
        DataError: one of them cannot be read; with `skip_unreadable`, none can.
    """
    prepared = prepare(encoded, size, memory=sys.maxsize, crops=False)
    if prepared.unreadable and not skip_unreadable:
        raise DataError(_unreadable(prepared.unreadable, len(encoded), "repair or remove them"))
    assert isinstance(prepared.images, LabelledImages)
    return Loaded(prepared.images, prepared.unreadable)


class _Survey:
    """Digest and statistics of images, accumulated one at a time."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._content = hashlib.sha256(repr(classes).encode())
        self._histogram = np.zeros((3, 256), dtype=np.int64)

    def add(self, pixels: Pixels) -> None:
        self._content.update(pixels.data)
        for channel in range(3):
            self._histogram[channel] += np.bincount(pixels[channel].ravel(), minlength=256)

    def digest(self, labels: torch.Tensor) -> str:
        """Digest as of `LabelledImages.digest` for the same pixels."""
        content = self._content.copy()
        content.update(labels.numpy().data)
        return content.hexdigest()[:16]

    def normalization(self) -> Normalization:
        return normalization_of(torch.from_numpy(self._histogram))


def _choose(encoded: EncodedImages, size: int, memory: int, crops: bool) -> tuple[bool, str]:
    """Whether to hold the images in memory, with the reason."""
    if crops and (side := _median(_short_sides(encoded))) > MAX_EXCESS * size:
        return False, (
            f"decoded in each step, for more detailed crops: their median short side, {side} pixels, is above "
            f"{MAX_EXCESS} times the input size"
        )
    needed = len(encoded) * 3 * size * size
    taken = f"{_readable(needed)} at {size} x {size} pixels"
    if needed > memory:
        return False, f"decoded in each step, since they would take {taken}, above the limit of {_readable(memory)}"
    return True, f"held in memory ({taken}, limit {_readable(memory)})"


def _short_sides(encoded: EncodedImages) -> list[int]:
    """Short sides of at most `SAMPLE` images, evenly spaced, from their headers; unreadable ones left out."""
    sides = []
    for index in np.linspace(0, len(encoded) - 1, min(len(encoded), SAMPLE)).astype(int).tolist():
        try:
            sides.append(min(size_of(encoded.files.read(index))))
        except Exception:  # reported when it is decoded
            continue
    if not sides:
        encoded.image(0)
        raise DataError(f"none of {len(encoded)} images can be read; the first is {encoded.files.where(0)}")
    return sides


def _median(sides: list[int]) -> int:
    return sorted(sides)[len(sides) // 2]


def _require_all_classes(before: EncodedImages, after: EncodedImages, problems: list[str]) -> None:
    counts = class_counts(after)
    lost = [name for name, count in class_counts(before).items() if count and not counts[name]]
    if lost:
        remedy = f"no images are left of {', '.join(lost)}: repair them, or remove the class"
        raise DataError(_unreadable(problems, len(before), remedy))


def _readable(count: int) -> str:
    """A number of bytes in MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _unreadable(problems: Sequence[str], count: int, remedy: str) -> str:
    """Message on unreadable images: their number out of `count`, the remedy, and the first 20."""
    shown = "".join(f"\n  {problem}" for problem in problems[:20])
    more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
    return f"{len(problems)} of {count} images cannot be read; {remedy}:{shown}{more}"
