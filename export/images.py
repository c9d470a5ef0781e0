"""Pixels of a folder's pictures: what a model is verified on."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from zoo.decode import FORMATS, decode
from zoo.errors import ImageError, InputError, MissingDependencyError
from zoo.preprocess import Pixels, to_pixels

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
"""Names of picture files."""


def read_pixels(folder: Path, size: int, limit: int) -> Pixels:
    """The first pictures of a folder and the folders in it, in the order of their paths.

    Arguments:
        folder: holds picture files, or Parquet files in the Hugging Face Hub's layout, whose pictures are `bytes` in a
            column of structures.
        size: side in pixels to which the pictures are scaled, as for every use of a model.
        limit: pictures to read at most, 1 or more.

    Returns:
        Pixels [N, 3, size, size] with 1 <= N <= limit.

    Raises:
        InputError: the folder is not there or holds no pictures, or a Parquet file holds none or cannot be read.
        ImageError: a file is not a picture, or is damaged.
        MissingDependencyError: there are Parquet files, and pyarrow is not installed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give one with picture files or Parquet files")
    pixels = []
    for where, data in islice(_pictures(folder), limit):
        try:
            pixels.append(to_pixels(decode(data), size)[0])
        except ImageError as error:
            raise ImageError(f"{where}: {error}") from None
    if not pixels:
        raise InputError(f"the folder {folder} holds no pictures ({', '.join(FORMATS)}) and no Parquet files")
    return np.stack(pixels)


def _pictures(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Where each picture is, and its file's content."""
    for file in sorted(folder.rglob("*")):
        suffix = file.suffix.lower()
        if suffix in SUFFIXES and file.is_file():
            yield str(file), file.read_bytes()
        elif suffix == ".parquet":
            yield from _rows(file)


def _rows(file: Path) -> Iterator[tuple[str, bytes]]:
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
            index = 0
            for batch in table.iter_batches(batch_size=64, columns=[column]):
                for value in batch.column(0).to_pylist():
                    data = value and value["bytes"]
                    if data is None:
                        raise InputError(f"{file}, row {index} has no picture")
                    yield f"{file}, row {index}", data
                    index += 1
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{file} is not a readable Parquet file: {error}") from None
