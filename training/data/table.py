"""Tables of images and labels: Parquet files in the Hugging Face Hub's layout, and data sets on the Hub."""

import os
import unicodedata
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import datasets.exceptions
import pyarrow
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import OfflineModeIsEnabled
from torch import Tensor

from zoo.errors import DataError, ImageError
from zoo.hub.errors import describe_failure, is_transient
from zoo.images.class_folders import SPLITS, name_splits
from zoo.images.image_files import class_name, walk
from zoo.images.label_tables import LABEL_COLUMNS
from zoo.options import DATA_VARIABLE
from zoo.registry import DATA_SETS


class TableFiles:
    """Images in a column of a memory-mapped table."""

    def __init__(self, rows: datasets.Dataset, column: str, name: str) -> None:
        self._rows, self._column, self._name = rows, column, name

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, index: int) -> bytes:
        value = self._row(index)
        if not value.is_valid:
            raise ImageError("it is null")
        data = value["bytes"].as_py()
        path = value["path"].as_py() if data is None and "path" in value else None
        if data is not None:
            return data
        if path is None:
            raise ImageError("it has neither bytes nor a path")
        return Path(path).read_bytes()

    def entry(self, index: int) -> tuple[str, int]:
        value = self._row(index)
        if not value.is_valid:
            return "", -1
        path = value["path"].as_py() if "path" in value else None
        name = unicodedata.normalize("NFC", os.path.basename(path or ""))
        if value["bytes"].is_valid:
            return name, value["bytes"].as_buffer().size  # not a copy, which would read the image
        try:
            return name, os.stat(path).st_size if path else -1
        except OSError:
            return name, -1

    def _row(self, index: int) -> pyarrow.StructScalar:
        # Arrow's own access takes a tenth of the time of `self._rows[index]`.
        return self._rows.data.column(self._column)[index]

    def where(self, index: int) -> str:
        return f"{self._name} row {index}"


class Table(ABC):
    """A data set of tables, one per split."""

    def __init__(self, name: str, splits: tuple[str, ...]) -> None:
        """Set names and splits, without reading anything.

        Arguments:
            name: name of the data set, for messages.
            splits: names of the splits, from `zoo.images.class_folders.name_splits`.
        """
        self.name, self.splits = name, splits
        self.notes: tuple[str, ...] = ()
        self._classes: tuple[str, ...] | None = None

    @abstractmethod
    def rows(self, split: str) -> datasets.Dataset:
        """Table of one of `splits`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the label column, or else its sorted values in `train` (in the first split if there is no
        `train`)."""
        if self._classes is None:
            rows = self.rows("train" if "train" in self.splits else self.splits[0])
            column = label_column(rows, self.name)
            if isinstance(rows.features[column], datasets.ClassLabel):
                self._classes = tuple(map(class_name, rows.features[column].names))
            else:
                # Numbers are sorted as numbers, not as strings.
                self._classes = tuple(dict.fromkeys(class_name(str(value)) for value in sorted(_values(rows, column))))
        return self._classes

    def open(self, split: str) -> tuple[TableFiles, Tensor]:
        rows = self.rows(split)
        column = image_column(rows, self.name)
        files = TableFiles(rows.select_columns([column]), column, f"{self.name}, {split}")
        return files, self._labels(rows, split)

    def _labels(self, rows: datasets.Dataset, split: str) -> Tensor:
        column = label_column(rows, self.name)
        names: dict[str | int, str] = {value: class_name(str(value)) for value in _values(rows, column)}
        if isinstance(rows.features[column], datasets.ClassLabel):
            # By name, since splits that were written separately may number their classes differently.
            names = dict(enumerate(map(class_name, rows.features[column].names)))
        known = {name: index for index, name in enumerate(self.classes)}
        numbers = {value: known.get(name, -1) for value, name in names.items()}
        if unknown := sorted(names[value] for value, number in numbers.items() if number < 0 and value != -1):
            raise DataError(
                f"{self.name} has labels in {split} that are not in train: {', '.join(unknown[:20])}; "
                "all splits must have the same classes"
            )
        return torch.tensor([numbers.get(value, -1) for value in rows[column][:]], dtype=torch.int64)


class ParquetTable(Table):
    """A folder with files `SPLIT-*.parquet`, at any depth."""

    def __init__(self, folder: str, files: dict[str, list[str]]) -> None:
        super().__init__(folder, tuple(files))
        self._files = files

    @classmethod
    def find(cls, folder: str) -> "ParquetTable | None":
        """Table in a folder; None if it has no Parquet file of a split."""
        files: dict[str, list[str]] = defaultdict(list)
        for path in sorted(path for listing in walk(folder) for path in listing.others.values()):
            split, dash, rest = os.path.basename(path).partition("-")
            if dash and rest.lower().endswith(".parquet"):
                files[split].append(path)
        splits = name_splits(files)
        if not set(splits.values()) & set(SPLITS):
            return None
        return cls(folder, {splits[name]: paths for name, paths in files.items()})

    def rows(self, split: str) -> datasets.Dataset:
        try:
            return datasets.load_dataset("parquet", data_files={split: self._files[split]}, split=split)
        except _FAILURES as error:
            raise DataError(f"cannot load the {split} split of {self.name!r}: {error}") from error


class HubTable(Table):
    """A data set on the Hugging Face Hub: a name in `DATA_SETS`, `ORG/NAME`, or `ORG/NAME:CONFIGURATION`."""

    def __init__(self, source: str) -> None:
        identifier, _, configuration = source.partition(":")
        repository = DATA_SETS.get(identifier, identifier)
        unreachable = _why_unreachable(repository)
        try:
            with _offline(unreachable is not None):
                tables = datasets.load_dataset(repository, configuration or None)
        except _FAILURES as error:
            reason = (
                f"it {unreachable}; nor is it in the cache, {datasets.config.HF_DATASETS_CACHE}"
                if unreachable
                else str(error)
            )
            not_here = "" if identifier in DATA_SETS else f"there is no folder {source!r}, and "
            raise DataError(
                f"{not_here}cannot load {source!r} from the Hub: {reason}. Give a folder of class folders or of "
                f"Parquet files, a table of paths and labels, a Hub data set id (ORG/NAME, or ORG/NAME:CONFIGURATION), "
                f"one of {', '.join(DATA_SETS)}, or the name of a folder in ${DATA_VARIABLE}"
            ) from error
        splits = name_splits(tables)
        self._tables = {splits[name]: rows for name, rows in tables.items()}
        super().__init__(source, tuple(self._tables))

    def rows(self, split: str) -> datasets.Dataset:
        return self._tables[split]


REACH_SECONDS = 10
"""Time for the first answer of the Hub, after which only the cache is used."""


def _why_unreachable(repository: str) -> str | None:
    """Why the Hub does not answer, as the rest of a sentence; None if it does, whatever it says.

    Asked once, since `load_dataset` would retry for half a minute before it looks into the cache.
    """
    try:
        HfApi().dataset_info(repository, timeout=REACH_SECONDS)
    except Exception as error:
        if is_transient(error) or isinstance(error, OfflineModeIsEnabled):
            return describe_failure(error, "fetched")
    return None


@contextmanager
def _offline(active: bool) -> Iterator[None]:
    """Context in which `load_dataset` only looks into its cache."""
    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = active or before
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def image_column(rows: datasets.Dataset, name: str) -> str:
    """Name of the first column of images.

    Raises:
        DataError: there is none.
    """
    columns = [column for column, feature in rows.features.items() if _holds_images(feature)]
    if not columns:
        raise DataError(f"{name} has no Image column; its columns are {', '.join(rows.column_names)}")
    return columns[0]


def label_column(rows: datasets.Dataset, name: str) -> str:
    """Name of the label column: a ClassLabel column, else one of `LABEL_COLUMNS`; the one with most classes if several.

    Raises:
        DataError: there is none.
    """
    classes = {
        column: feature.num_classes
        for column, feature in rows.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    if not classes:
        columns = [column for column in LABEL_COLUMNS if _holds_values(rows.features.get(column))]
        classes = {column: len(_values(rows, column)) for column in columns}
    if not classes:
        raise DataError(
            f"{name} has no ClassLabel column and no string or integer column {', '.join(LABEL_COLUMNS)}; "
            f"its columns are {', '.join(rows.column_names)}"
        )
    return max(classes, key=lambda column: classes[column])


_FAILURES = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError)
"""Exceptions of `load_dataset` for a data set that is missing, unreachable or unreadable, or needs code to be run."""


def _holds_images(feature: object) -> bool:
    """Whether a column contains images; in files without metadata, these are structures with `bytes`."""
    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and "bytes" in feature)


def _holds_values(feature: object) -> bool:
    return isinstance(feature, datasets.Value) and feature.dtype.startswith(("int", "uint", "string", "large_string"))


def _values(rows: datasets.Dataset, column: str) -> set[str | int]:
    """Distinct values of a column, without null."""
    values: Iterable[str | int | None] = rows.unique(column)
    return {value for value in values if value is not None}
