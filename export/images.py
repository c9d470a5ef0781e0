"""Pixels of a folder's images: what a model is verified on, and calibrated with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ImageError, InputError
from zoo.extras import importing
from zoo.images.class_folders import find_splits, split_of
from zoo.images.decode import FORMATS, decode_pixels
from zoo.images.image_files import walk
from zoo.images.preprocess import Pixels

PARQUET = ".parquet"


def read_folder_pixels(folder: Path, size: int, limit: int, training: bool = False) -> Pixels:
    """Images of a folder and the folders in it, evenly chosen from all of them in the order of their paths.

    Arguments:
        folder: holds image files, or Parquet files in the Hugging Face Hub's layout, whose images are `bytes` in a
            column of structures.
        size: side in pixels to which the images are scaled, as for every use of a model.
        limit: images to read at most, 1 or more.
        training: read the training split only, where there are splits: a test split chooses nothing.

    Returns:
        Pixels [N, 3, size, size] with 1 <= N <= limit.

    Raises:
        InputError: the folder is not there or holds no images, or a Parquet file holds none or cannot be read.
        DataError: a folder cannot be read, or it is not clear whether folders are splits or classes.
        ImageError: a file is not an image, or is damaged.
        MissingDependencyError: there are Parquet files, and pyarrow is not installed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give one with image files or Parquet files")
    files = _training_files(folder) if training else _files(folder)
    counts = [_rows(file) if file.suffix.lower() == PARQUET else 1 for file in files]
    total = sum(counts)
    if not total:
        raise InputError(f"the folder {folder} holds no images ({', '.join(FORMATS)}) and no Parquet files")
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
    """Image files and Parquet files of a folder and of those below it."""
    listings = list(walk(str(folder)))
    images = [path for listing in listings for path in listing.images.values()]
    tables = [path for listing in listings for path in listing.others.values() if path.lower().endswith(PARQUET)]
    return sorted(map(Path, images + tables))


def _training_files(folder: Path) -> list[Path]:
    """Files of the training split; all files where there are no splits.

    Raises:
        InputError: there are splits, and none to train on.
    """
    tables = {file: _split(file.relative_to(folder)) for file in _files(folder) if file.suffix.lower() == PARQUET}
    splits: dict[str, list[Path]] = {}
    if any(tables.values()):
        for file, split in tables.items():
            splits.setdefault(split or file.stem, []).append(file)
    else:
        splits = {split: _files(Path(inner)) for split, inner in find_splits(str(folder), []).items()}
    if "train" not in splits:
        raise InputError(f"{folder} has no training split, only {', '.join(splits)}; give training images")
    return splits["train"]


def _split(file: Path) -> str | None:
    """The split of a Parquet file, by its name, `SPLIT-...`, or that of a folder."""
    return next(filter(None, (split_of(part.partition("-")[0]) for part in (file.stem, *file.parts[:-1]))), None)


def _read_images(file: Path, rows: set[int]) -> Iterator[tuple[str, bytes]]:
    """Where each of a file's chosen images is, and its content."""
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
    """A Parquet file, open, and the name of its column of images."""
    with importing("export", f"reading {file}"):
        import pyarrow.parquet
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            columns = [column.path for column in map(table.schema.column, range(len(table.schema)))]
            column = next((name for name in columns if name.partition(".")[2] == "bytes"), None)
            if column is None:
                raise InputError(f"{file} has no column of images (a structure with `bytes`), only {columns}")
            yield table, column
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{file} is not a readable Parquet file: {error}") from None
