"""Images of a folder as pixels, for verification and calibration."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ImageError, InputError, reading_problem
from zoo.extras import importing
from zoo.images.class_folders import find_splits, split_of
from zoo.images.decode import decode_pixels
from zoo.images.formats import NAMES
from zoo.images.image_files import walk
from zoo.images.label_tables import open_label_tables
from zoo.images.preprocess import Pixels
from zoo.images.table_files import SUFFIXES

PARQUET = ".parquet"


def read_folder_pixels(folder: Path, size: int, limit: int, training: bool = False) -> Pixels:
    """Read images of a folder and its sub-folders, evenly sampled in the order of their paths.

    Arguments:
        folder: folder of image files, table of them (see `zoo.images.label_tables`), or folder of Parquet files in the
            Hugging Face Hub's layout, with a struct column whose field `bytes` holds the encoded images.
        size: height and width of the pixels; images are resized as for inference.
        limit: maximum number of images, at least 1.
        training: whether to read only the training split, if there are splits: the test split must not influence
            calibration.

    Returns:
        Pixels [N, 3, size, size] with 1 <= N <= limit.

    Raises:
        InputError: the folder does not exist or has no images, or a Parquet file has none or cannot be read.
        DataError: a folder or table cannot be read, or it is unclear whether sub-folders are splits or classes.
        ImageError: a file is not an image, or is damaged.
        MissingDependencyError: there are Parquet files, but pyarrow is not installed.
    """
    if not (folder.is_dir() or (folder.is_file() and folder.suffix.lower() in SUFFIXES)):
        raise InputError(
            f"{folder} is neither a folder nor a table of paths and labels ({', '.join(SUFFIXES)}); choose one with "
            "image files or Parquet files"
        )
    files = _training_files(folder) if training else _files(folder)
    counts = [_rows(file) if file.suffix.lower() == PARQUET else 1 for file in files]
    total = sum(counts)
    if not total:
        raise InputError(f"{folder} has neither images ({NAMES}) nor Parquet files")
    chosen, first = [total * index // min(limit, total) for index in range(min(limit, total))], 0
    pixels = []
    for file, count in zip(files, counts, strict=True):
        rows = {index - first for index in chosen if first <= index < first + count}
        first += count
        for where, data in _read_images(file, rows):
            try:
                pixels.append(decode_pixels(data, size).pixels)
            except ImageError as error:
                raise ImageError(f"{where}: {error}") from None
    return np.stack(pixels)


def _files(folder: Path) -> list[Path]:
    """Image files and Parquet files of a folder and its sub-folders, or the files of a table."""
    if labelled := open_label_tables(str(folder)):
        return sorted(Path(path) for split in labelled.files for path in labelled.of(split)[0])
    listings = list(walk(str(folder)))
    images = [path for listing in listings for path in listing.images.values()]
    tables = [path for listing in listings for path in listing.others.values() if path.lower().endswith(PARQUET)]
    return sorted(map(Path, images + tables))


def _training_files(folder: Path) -> list[Path]:
    """Files of the training split; all files if there are no splits.

    Raises:
        InputError: there are splits, but no training split.
    """
    if labelled := open_label_tables(str(folder)):
        return _require_train(folder, {split: list(map(Path, labelled.of(split)[0])) for split in labelled.files})
    tables = {file: _split(file.relative_to(folder)) for file in _files(folder) if file.suffix.lower() == PARQUET}
    splits: dict[str, list[Path]] = {}
    if any(tables.values()):
        for file, split in tables.items():
            splits.setdefault(split or file.stem, []).append(file)
    else:
        splits = {split: _files(Path(inner)) for split, inner in find_splits(str(folder), []).items()}
    return _require_train(folder, splits)


def _require_train(folder: Path, splits: Mapping[str, list[Path]]) -> list[Path]:
    if "train" not in splits:
        raise InputError(f"{folder} has no training split, only {', '.join(splits)}; choose training images")
    return splits["train"]


def _split(file: Path) -> str | None:
    """Split of a Parquet file, from its name `SPLIT-...` or that of a parent folder."""
    return next(filter(None, (split_of(part.partition("-")[0]) for part in (file.stem, *file.parts[:-1]))), None)


def _read_images(file: Path, rows: set[int]) -> Iterator[tuple[str, bytes]]:
    """Location and content of each chosen image of a file."""
    if not rows:
        return
    if file.suffix.lower() != PARQUET:
        yield str(file), file.read_bytes()
        return
    with _table(file) as (table, column):
        index = 0
        for batch in table.iter_batches(batch_size=64, columns=[column]):
            wanted = [row for row in range(len(batch)) if index + row in rows]
            for row, value in zip(wanted, batch.column(0).take(wanted).to_pylist() if wanted else [], strict=True):
                data = value and value["bytes"]
                if data is None:
                    raise InputError(f"{file}, row {index + row} has no image")
                yield f"{file}, row {index + row}", data
            index += len(batch)


def _rows(file: Path) -> int:
    with _table(file) as (table, _):
        return int(table.metadata.num_rows)


@contextmanager
def _table(file: Path) -> Iterator[tuple[Any, str]]:
    """Context with an open Parquet file and the name of its image column."""
    with importing("export", f"reading {file}"):
        import pyarrow.parquet
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            columns = [column.path for column in map(table.schema.column, range(len(table.schema)))]
            column = next((name for name in columns if name.partition(".")[2] == "bytes"), None)
            if column is None:
                raise InputError(f"{file} has no image column (a struct with `bytes`), only {columns}")
            yield table, column
    except OSError as error:
        raise InputError(reading_problem(file, error)) from None
    except pyarrow.ArrowException as error:
        raise InputError(f"{file} is not a readable Parquet file: {error}") from None
