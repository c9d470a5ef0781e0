"""Labelled images as files: data sources, their splits, and held-out parts."""

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
from training.data.places import own_folder
from training.data.source import EncodedFiles, Source
from training.data.table import HubTable, ParquetTable
from zoo.errors import DataError, ImageError, InputError, reading_problem
from zoo.images.class_folders import SPLITS, split_of
from zoo.images.decode import decode, decode_pixels
from zoo.images.preprocess import Pixels
from zoo.images.table_files import SUFFIXES
from zoo.package.metrics import HELD_OUT_SHARE
from zoo.registry import list_models


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Encoded, labelled images of one split, decoded on demand."""

    files: EncodedFiles
    labels: Tensor
    """[N], int64."""
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: Sequence[int] | Tensor) -> "EncodedImages":
        """The images with these indices, in this order."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return EncodedImages(_Selection.of(self.files, chosen.numpy()), self.labels[chosen], self.classes)

    def image(self, index: int) -> Image.Image:
        """One image in RGB, upright, at its own size.

        Raises:
            DataError: it cannot be read or decoded; the message begins with its location.
        """
        with self._naming(index):
            return decode(self.files.read(index))

    def pixels(self, index: int, size: int) -> Pixels:
        """Centred square of one image, scaled as by the server: [3, size, size], uint8.

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
            raise DataError(reading_problem(self.files.where(index), error)) from error


class DataSet:
    """A source of labelled images, with its name."""

    def __init__(self, source: str) -> None:
        """Open a source, without reading any image.

        Arguments:
            source: a folder of Parquet files or of class folders, a table of paths and labels or a folder with one (see
            `zoo.images.label_tables`), a name in the folder `ZOO_DATA` or in `zoo.registry.DATA_SETS`, or a Hub data
            set id.

        Raises:
            DataError: the source does not exist or is unusable.
        """
        self.name = source
        self._source = _open(source)
        self.notes = self._source.notes + _unused(source, self._source.splits)
        """Notes for the user, such as files that belong to no class; one sentence each."""

    @property
    def splits(self) -> tuple[str, ...]:
        return self._source.splits

    @property
    def classes(self) -> tuple[str, ...]:
        return self._source.classes

    def name_of(self, split: str) -> str:
        """Name of a split here, given a common name such as `val` for `validation`."""
        return split if split in self.splits else split_of(split) or split

    def split(self, name: str) -> EncodedImages:
        """Open one split by its name; see `name_of`.

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
        """Like `split`, but None if there is no such split or it has no labels, as in a competition."""
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
    """Splits of a source to train on, to choose by, and to measure on."""

    train: EncodedImages
    validation: EncodedImages | None
    """None if the source has no labelled validation split."""
    test: EncodedImages | None
    """None if the source has no labelled test split."""
    notes: tuple[str, ...] = ()
    """Notes on the data set."""


def open_splits(source: str) -> Splits:
    """Open the splits of a source.

    Arguments:
        source: as for `DataSet`.

    Raises:
        DataError: the source does not exist, or has no `train` split, images or labels.
    """
    data = DataSet(source)
    train, found = data.split("train"), {name: data.find(name) for name in ("validation", "test")}
    secret = [name for name, encoded in found.items() if encoded is None and name in data.splits]
    notes = tuple(f"the {name} split of {source} has no labels, and is not used" for name in secret)
    return Splits(train, found["validation"], found["test"], data.notes + notes)


def open_split(source: str, split: str) -> EncodedImages:
    """Open one split of a source; see `DataSet`."""
    return DataSet(source).split(split)


HELD_OUT = "held-out"
"""The part of the training split that is not trained on; see `hold_out`."""

DIGESTED = 16
"""Number of evenly spaced files that `data_digest` reads."""


def hold_out(encoded: EncodedImages, share: float = HELD_OUT_SHARE) -> tuple[EncodedImages, EncodedImages]:
    """Split images into those to train on and those to measure on, stratified by class.

    About `share` of each class is held out, at least one image, and none of a class with a single image. The choice
    depends only on the labels.

    Returns:
        The images kept and those held out, both in their original order.

    Raises:
        InputError: the share is not between 0 and 1.
        DataError: no class has two images.
    """
    if not 0 < share < 1:
        raise InputError(f"share = {share}: must be between 0 and 1")
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
    """Short digest that identifies a split, and thus the result of `hold_out`.

    It covers the classes, and label, name and size of every image in order; names are relative to the split's folder,
    which may be moved. Only a few images are read, so a replaced image of the same name and size may go unnoticed.
    """
    content = hashlib.sha256(ascii(encoded.classes).encode())
    content.update(encoded.labels.numpy().data)
    for index in range(len(encoded)):
        content.update(ascii(encoded.files.entry(index)).encode())
    for index in np.linspace(0, len(encoded) - 1, min(len(encoded), DIGESTED)).astype(int).tolist():
        try:
            content.update(hashlib.sha256(encoded.files.read(index)).digest())
        except (OSError, ImageError):  # reported by training
            content.update(bytes(32))
    return content.hexdigest()[:16]


def sample(encoded: EncodedImages, count: int | None, seed: int = 0) -> EncodedImages:
    """Random sample of at most `count` images, in their original order; all of them for None.

    Not the first ones, which would all be of one class if the images are sorted by class.

    Raises:
        InputError: the number is not above 0.
    """
    if count is None:
        return encoded
    if count < 1:
        raise InputError(f"limit = {count}: must be above 0")
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
    """Number of images of each class, in the order of the classes."""
    counts = torch.bincount(labelled.labels, minlength=len(labelled.classes))
    return dict(zip(labelled.classes, counts.tolist(), strict=True))


USUAL_TABLES = ("labels", "metadata")
"""Names of tables that say nothing about their images."""

MAX_MODEL_NAME = 96
"""Maximum length of a repository's name on the Hub."""


def data_set_name(source: str) -> str:
    """Short name of a data set: `cifar10` for `cifar10`, `uoft-cs/cifar10`, `/data/cifar10`, and `.` in that folder.

    A table has its own name without suffix, but `pets/labels.csv` and `pets/metadata.csv` that of their folder, `pets`.

    It becomes part of the model's name, which must be valid on the Hub: accents are removed, characters other than
    `A-Za-z0-9._-` become `-`, and repeated `-` and `.` are merged; `data` if nothing is left.
    """
    path = Path(os.path.abspath(source))
    name = path.stem if path.name.lower().endswith(SUFFIXES) else path.name
    if name in USUAL_TABLES and name != path.name:
        name = path.parent.name
    letters = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(r"([-.])\1+", r"\1", re.sub(r"[^\w.-]+", "-", plain, flags=re.ASCII)).strip("-.")
    longest = max(map(len, list_models()))
    # The Hub rejects names that end in `.git`, as a folder's may.
    return re.sub(r"((^|\.)git)+$", "", name[: MAX_MODEL_NAME - longest - 1]).strip("-.") or "data"


@dataclass(frozen=True, slots=True)
class _Selection:
    """A selection of files."""

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
    if source.lower().endswith(SUFFIXES):
        return open_folder(source)
    if os.path.exists(source):
        raise DataError(
            f"{source} is a file; give a folder (unpack the file if it is an archive), or a table of paths and labels "
            f"({', '.join(SUFFIXES)})"
        )
    if source.startswith((".", "/", "~")) or "\\" in source or os.path.isdir(os.path.dirname(source)):
        raise DataError(
            f"the folder {source} does not exist; give a folder of class folders or of Parquet files, or a table of "
            "paths and labels"
        )
    if folder := own_folder(source):
        return _open(str(folder))
    return HubTable(source)


def _unused(source: str, splits: Sequence[str]) -> tuple[str, ...]:
    unused = [name for name in splits if name not in SPLITS]
    return (f"splits of {source} that are not used: {', '.join(unused)}",) if unused else ()
