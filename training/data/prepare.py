"""Before training: every image is decoded once, so that what cannot be read is known, and where they go is chosen."""

import hashlib
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from training.data.data_set import EncodedImages, class_counts, open_split, sample
from training.data.decode_all import decode_all
from training.data.images import LabelledImages, normalization_of
from training.data.stream import StreamedImages
from zoo.errors import DataError
from zoo.images.decode import FORMATS
from zoo.images.preprocess import Normalization, Pixels
from zoo.machine import total_memory
from zoo.package import MIN_INPUT_SIZE

SAMPLE = 1000
"""Images whose headers are read to learn how large a split's images are."""

MAX_CHOSEN_SIZE = 96
"""The largest input size that is chosen unasked: the cost of a step grows with its square."""

MAX_EXCESS = 1.5
"""Images this many times larger than the input are still held scaled down; of larger ones crops show more."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Images to train on or to measure on."""

    images: LabelledImages | StreamedImages
    unreadable: tuple[str, ...]
    """`where: reason` of each image that was left out, in order."""
    why: str
    """One sentence: whether they are held in memory, and why."""


def choose_input_size(encoded: EncodedImages) -> tuple[int, str]:
    """The input size for images whose size nobody named: their median short side, within limits.

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
    """Decode every image once; hold the images if they fit and little is lost by it.

    Images that cannot be read are left out and named in the result.

    Arguments:
        images: a split.
        size: side in pixels of a network's input.
        memory: bytes that held images may take; a quarter of the machine's memory if None.
        crops: whether they are trained on, by crops, which need large ones whole; images that are only measured are
            held if they fit.
        progress: called with the number of images done.

    Raises:
        DataError: no image of a class that is to be trained can be read, or none at all.
    """
    held, why = _choose(encoded, size, memory if memory is not None else total_memory() // 4, crops)
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
    images: LabelledImages | StreamedImages
    if held:
        images = LabelledImages(torch.from_numpy(pixels[: len(kept)]), encoded.labels, encoded.classes)
    else:
        images = StreamedImages(encoded, size, survey.digest(encoded.labels), survey.normalization())
    return Prepared(images, tuple(problems), why)


def load_split(source: str, split: str, size: int = 32, limit: int | None = None, seed: int = 0) -> LabelledImages:
    """Decode one split of a data set.

    Arguments:
        source: as for `training.data.data_set.DataSet`.
        split: `train`, `test` or another name that the source has.
        size: side of the images in pixels; other sizes are scaled by `zoo.images.preprocess.to_pixels`.
        limit: only so many images; see `sample`.
        seed: which ones.

    Raises:
        DataError: there is no such data set or split, it has no images or labels, or an image cannot be read.
    """
    return load(sample(open_split(source, split), limit, seed), size).images


class Loaded(NamedTuple):
    """Images in memory."""

    images: LabelledImages
    unreadable: tuple[str, ...]
    """`where: reason` of each image that was left out."""


def load(encoded: EncodedImages, size: int, *, skip_unreadable: bool = False) -> Loaded:
    """Decode images, all of which are then in memory.

    Raises:
        DataError: one of them cannot be read; with `skip_unreadable`, none can.
    """
    prepared = prepare(encoded, size, memory=sys.maxsize, crops=False)
    if prepared.unreadable and not skip_unreadable:
        raise DataError(_unreadable(prepared.unreadable, len(encoded), "repair or remove them"))
    assert isinstance(prepared.images, LabelledImages)
    return Loaded(prepared.images, prepared.unreadable)


class _Survey:
    """Digest and statistics of pixels that pass by one image at a time."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._content = hashlib.sha256(repr(classes).encode())
        self._histogram = np.zeros((3, 256), dtype=np.int64)

    def add(self, pixels: Pixels) -> None:
        self._content.update(pixels.data)
        for channel in range(3):
            self._histogram[channel] += np.bincount(pixels[channel].ravel(), minlength=256)

    def digest(self, labels: torch.Tensor) -> str:
        """What `LabelledImages.digest` gives for the same pixels."""
        content = self._content.copy()
        content.update(labels.numpy().data)
        return content.hexdigest()[:16]

    def normalization(self) -> Normalization:
        return normalization_of(torch.from_numpy(self._histogram))


def _choose(encoded: EncodedImages, size: int, memory: int, crops: bool) -> tuple[bool, str]:
    """Whether to hold the images, and why."""
    if crops and (side := _median(_short_sides(encoded))) > MAX_EXCESS * size:
        return False, (
            f"decoded for each step, since crops of them show more: their median short side, {side} pixels, is above "
            f"{MAX_EXCESS} times the input size"
        )
    needed = len(encoded) * 3 * size * size
    taken = f"{_readable(needed)} at {size} x {size} pixels"
    if needed > memory:
        return False, f"decoded for each step, since they would take {taken}, above the limit of {_readable(memory)}"
    return True, f"held in memory, where they take {taken} of at most {_readable(memory)}"


def _short_sides(encoded: EncodedImages) -> list[int]:
    """Short sides of at most `SAMPLE` images, evenly spaced, from their headers; unreadable ones left out."""
    sides = []
    for index in np.linspace(0, len(encoded) - 1, min(len(encoded), SAMPLE)).astype(int).tolist():
        try:
            with Image.open(io.BytesIO(encoded.files.read(index)), formats=FORMATS) as image:
                sides.append(min(image.size))
        except Exception:  # whatever is wrong with it, decoding says it
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
        remedy = f"repair them, since none is left of {', '.join(lost)}, or remove the class"
        raise DataError(_unreadable(problems, len(before), remedy))


def _readable(count: int) -> str:
    """Bytes in the unit that fits."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _unreadable(problems: Sequence[str], count: int, remedy: str) -> str:
    """A message on the images that cannot be read: the first 20 of them, how many of `count`, and what to do."""
    shown = "".join(f"\n  {problem}" for problem in problems[:20])
    more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
    return f"{len(problems)} of {count} images cannot be read; {remedy}:{shown}{more}"
