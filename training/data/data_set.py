"""Labelled images as files: one source, its splits, and a part of a split held out."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.data.folder import open_folder
from training.data.source import EncodedFiles, Source
from training.data.table import HubTable, ParquetTable
from zoo.errors import DataError, ImageError, InputError, reason_of
from zoo.images.class_folders import SPLITS, split_of
from zoo.images.decode import decode, decode_pixels
from zoo.images.preprocess import Pixels
from zoo.package.metrics import HELD_OUT_SHARE
from zoo.registry import list_models


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Encoded, labelled images of one split; decoded when asked."""

    files: EncodedFiles
    labels: Tensor
    """[N], int64."""
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: Sequence[int] | Tensor) -> "EncodedImages":
        """Those images, in that order."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return EncodedImages(_Selection.of(self.files, chosen.numpy()), self.labels[chosen], self.classes)

    def image(self, index: int) -> Image.Image:
        """One image in RGB, upright, as large as it is.

        Raises:
            DataError: it cannot be read or decoded; the message begins with its place.
        """
        with self._naming(index):
            return decode(self.files.read(index))

    def pixels(self, index: int, size: int) -> Pixels:
        """The centred square of one image, as the server scales it: [3, size, size], uint8.

        Raises:
            DataError: as for `image`.
        """
        with self._naming(index):
            return decode_pixels(self.files.read(index), size).pixels

    @contextmanager
    def _naming(self, index: int) -> Iterator[None]:
        try:
            yield
        except (OSError, ImageError) as error:
            reason = reason_of(error)
            raise DataError(f"{self.files.where(index)}: {reason}") from error


class DataSet:
    """A source of labelled images and what it calls itself."""

    def __init__(self, source: str) -> None:
        """Open a source; no image is read.

        Arguments:
            source: a folder of Parquet files or of class folders, a name of `zoo.registry.DATA_SETS`, or a Hub data
                set's id.

        Raises:
            DataError: there is no such source, or it is of no use.
        """
        self.name = source
        self._source = _open(source)
        self.notes = self._source.notes + _unused(source, self._source.splits)
        """What the user should know of the source, such as files that belong to no class; a sentence each."""

    @property
    def splits(self) -> tuple[str, ...]:
        return self._source.splits

    @property
    def classes(self) -> tuple[str, ...]:
        return self._source.classes

    def name_of(self, split: str) -> str:
        """The name of a split that may be called as it is elsewhere, such as `val` for `validation`."""
        return split if split in self.splits else split_of(split) or split

    def split(self, name: str) -> EncodedImages:
        """One split; see `name_of`.

        Raises:
            DataError: there is no such split, or it has no images or no labels.
        """
        encoded = self._read(name)
        if missing := int((encoded.labels < 0).sum()):
            raise DataError(
                f"{missing} of {len(encoded)} images in the {name} split of {self.name} have no label; remove them"
            )
        return encoded

    def find(self, name: str) -> EncodedImages | None:
        """As `split`; None if there is no such split, or its labels are kept secret, as in a competition."""
        if name not in self.splits or bool((self._read(name).labels < 0).all()):
            return None
        return self.split(name)

    def _read(self, name: str) -> EncodedImages:
        name = self.name_of(name)
        if name not in self.splits:
            raise DataError(f"{self.name} has no {name} split; it has {', '.join(self.splits)}")
        files, labels = self._source.open(name)
        if not len(labels):
            raise DataError(f"the {name} split of {self.name} is empty")
        return EncodedImages(files, labels, self._source.classes)


@dataclass(frozen=True, slots=True)
class Splits:
    """What a source has to train on, to choose by, and to measure on."""

    train: EncodedImages
    validation: EncodedImages | None
    """None if the source has no labelled validation split."""
    test: EncodedImages | None
    """None if the source has no labelled test split."""
    notes: tuple[str, ...] = ()
    """Those of the data set."""


def open_splits(source: str) -> Splits:
    """The splits of a source.

    Arguments:
        source: as for `DataSet`.

    Raises:
        DataError: there is no such source, it has no `train` split, or no images or labels.
    """
    data = DataSet(source)
    train, found = data.split("train"), {name: data.find(name) for name in ("validation", "test")}
    secret = [name for name, encoded in found.items() if encoded is None and name in data.splits]
    notes = tuple(f"the {name} split of {source} has no labels, and is not used" for name in secret)
    return Splits(train, found["validation"], found["test"], data.notes + notes)


def open_split(source: str, split: str) -> EncodedImages:
    """One split of a source; see `DataSet`."""
    return DataSet(source).split(split)


HELD_OUT = "held-out"
"""The part of the training split that is not trained on; see `hold_out`."""

DIGESTED = 16
"""Number of files, evenly spaced, that `data_digest` reads."""


def hold_out(encoded: EncodedImages, share: float = HELD_OUT_SHARE) -> tuple[EncodedImages, EncodedImages]:
    """Part the images into those to train on and those to measure on, class by class.

    Of each class about `share` is held out, at least one image, and none of a class with one image only. Which
    ones depends on the labels alone.

    Returns:
        The images kept and those held out, each in their former order.

    Raises:
        InputError: the share is not between 0 and 1.
        DataError: no class has two images.
    """
    if not 0 < share < 1:
        raise InputError(f"share = {share}: it must be between 0 and 1")
    generator = torch.Generator().manual_seed(0)
    held = torch.zeros(len(encoded), dtype=torch.bool)
    for label in range(len(encoded.classes)):
        members = torch.nonzero(encoded.labels == label).flatten()
        shuffled = members[torch.randperm(len(members), generator=generator)]
        held[shuffled[: min(max(round(share * len(members)), 1), len(members) - 1)]] = True
    if not held.any():
        raise DataError("no class has two images, one to train on and one to measure on; add images")
    return encoded.select(torch.nonzero(~held).flatten()), encoded.select(torch.nonzero(held).flatten())


def data_digest(encoded: EncodedImages) -> str:
    """A short digest by which a split is known again, and with it what `hold_out` makes of it.

    It is of the classes, and of label, name and size of every image in their order; names begin below the split's
    folder, which may be moved. Only a few images are read: another one of the same name and size may be overlooked.
    """
    content = hashlib.sha256(ascii(encoded.classes).encode())
    content.update(encoded.labels.numpy().data)
    for index in range(len(encoded)):
        content.update(ascii(encoded.files.entry(index)).encode())
    for index in np.linspace(0, len(encoded) - 1, min(len(encoded), DIGESTED)).astype(int).tolist():
        try:
            content.update(hashlib.sha256(encoded.files.read(index)).digest())
        except (OSError, ImageError):  # training says what is wrong with it
            content.update(bytes(32))
    return content.hexdigest()[:16]


def sample(encoded: EncodedImages, count: int | None, seed: int = 0) -> EncodedImages:
    """At most so many images at random, the same ones for a seed, in their former order; all of them for None.

    Not the first ones: where the images lie class by class, they would be of one class.

    Raises:
        InputError: the number is not above 0.
    """
    if count is None:
        return encoded
    if count < 1:
        raise InputError(f"limit = {count}: it must be above 0")
    chosen = torch.randperm(len(encoded), generator=torch.Generator().manual_seed(seed))[:count]
    return encoded.select(chosen.sort().values)


class Labelled(Protocol):
    """Images with labels, encoded or decoded."""

    @property
    def labels(self) -> Tensor:
        """[N], int64."""

    @property
    def classes(self) -> tuple[str, ...]: ...


def class_counts(labelled: Labelled) -> dict[str, int]:
    """How many images each class has, in the order of the classes."""
    counts = torch.bincount(labelled.labels, minlength=len(labelled.classes))
    return dict(zip(labelled.classes, counts.tolist(), strict=True))


MAX_MODEL_NAME = 96
"""Characters of a repository's name on the Hub."""


def data_set_name(source: str) -> str:
    """A short name for a data set: of `cifar10`, `uoft-cs/cifar10`, `/data/cifar10` and `.` in it alike, `cifar10`.

    It becomes a part of the model's name, which the Hub must take: letters lose their accents, anything that is not of
    `A-Za-z0-9._-` becomes a `-`, and `--` and `..` become one; `data` if nothing is left.
    """
    letters = unicodedata.normalize("NFKD", Path(os.path.abspath(source)).name)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(r"([-.])\1+", r"\1", re.sub(r"[^\w.-]+", "-", plain, flags=re.ASCII)).strip("-.")
    longest = max(map(len, list_models()))
    # The Hub takes no name that ends in `.git`, as a folder's may.
    return re.sub(r"((^|\.)git)+$", "", name[: MAX_MODEL_NAME - longest - 1]).strip("-.") or "data"


@dataclass(frozen=True, slots=True)
class _Selection:
    """Some of other files."""

    files: EncodedFiles
    indices: NDArray[np.int64]

    @classmethod
    def of(cls, files: EncodedFiles, indices: NDArray[np.int64]) -> "_Selection":
        if isinstance(files, _Selection):
            return cls(files.files, files.indices[indices])
        return cls(files, indices)

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> bytes:
        return self.files.read(int(self.indices[index]))

    def entry(self, index: int) -> tuple[str, int]:
        return self.files.entry(int(self.indices[index]))

    def where(self, index: int) -> str:
        return self.files.where(int(self.indices[index]))


def _open(source: str) -> Source:
    if os.path.isdir(source):
        return ParquetTable.find(source) or open_folder(source)
    if os.path.exists(source):
        raise DataError(f"{source} is a file; unpack it if it is an archive, and give the folder")
    if source.startswith((".", "/", "~")):
        raise DataError(f"there is no folder {source}; give a folder of class folders or of Parquet files")
    return HubTable(source)


def _unused(source: str, splits: Sequence[str]) -> tuple[str, ...]:
    unused = [name for name in splits if name not in SPLITS]
    return (f"splits of {source} that are not used: {', '.join(unused)}",) if unused else ()
