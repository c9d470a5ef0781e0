"""Pixels of a folder's pictures: what a model is verified on, and calibrated with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zoo.decode import FORMATS, decode_pixels
from zoo.errors import ImageError, InputError, MissingDependencyError
from zoo.preprocess import Pixels

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
"""Names of picture files."""

PARQUET = ".parquet"


def read_pixels(folder: Path, size: int, limit: int, training: bool = False) -> Pixels:
    """Pictures of a folder and the folders in it, evenly chosen from all of them in the order of their paths.

    Arguments:
        folder: holds picture files, or Parquet files in the Hugging Face Hub's layout, whose pictures are `bytes` in a
            column of structures.
        size: side in pixels to which the pictures are scaled, as for every use of a model.
        limit: pictures to read at most, 1 or more.
        training: where files or folders are named `train...`, read only these: a test split chooses nothing.

    Returns:
        Pixels [N, 3, size, size] with 1 <= N <= limit.

    Raises:
        InputError: the folder is not there or holds no pictures, or a Parquet file holds none or cannot be read.
        ImageError: a file is not a picture, or is damaged.
        MissingDependencyError: there are Parquet files, and pyarrow is not installed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give one with picture files or Parquet files")
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in (*SUFFIXES, PARQUET)]
    files = [file for file in files if file.is_file()]
    if training:
        files = [file for file in files if _is_training(file.relative_to(folder))] or files
    counts = [_rows(file) if file.suffix.lower() == PARQUET else 1 for file in files]
    total = sum(counts)
    if not total:
        raise InputError(f"the folder {folder} holds no pictures ({', '.join(FORMATS)}) and no Parquet files")
    chosen, first = [total * index // min(limit, total) for index in range(min(limit, total))], 0
    pixels = []
    for file, count in zip(files, counts, strict=True):
        rows = {index - first for index in chosen if first <= index < first + count}
        first += count
        for where, data in _pictures(file, rows):
            try:
                pixels.append(decode_pixels(data, size).pixels)
            except ImageError as error:
                raise ImageError(f"{where}: {error}") from None
    return np.stack(pixels)


def _is_training(file: Path) -> bool:
    return any(part.lower().startswith("train") for part in file.parts)


def _pictures(file: Path, rows: set[int]) -> Iterator[tuple[str, bytes]]:
    """Where each of a file's chosen pictures is, and its content."""
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
                    raise InputError(f"{file}, row {index + row} has no picture")
                yield f"{file}, row {index + row}", data
            index += len(batch)


def _rows(file: Path) -> int:
    with _table(file) as (table, _):
        return int(table.metadata.num_rows)


@contextmanager
def _table(file: Path) -> Iterator[tuple[Any, str]]:
    """A Parquet file, open, and the name of its column of pictures."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError(
            f"reading {file} needs pyarrow ({error}): pip install 'template-zoo[export]'"
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            columns = [column.path for column in map(table.schema.column, range(len(table.schema)))]
            column = next((name for name in columns if name.partition(".")[2] == "bytes"), None)
            if column is None:
                raise InputError(f"{file} has no column of pictures (a structure with `bytes`), only {columns}")
            yield table, column
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{file} is not a readable Parquet file: {error}") from None
