"""Files of vectors, written a batch at a time: NumPy arrays and Parquet tables. They appear when they are complete."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from zoo.extras import importing
from zoo.files import replacing
from zoo.outputs import Array

ROWS = 4096
"""Images per row group of a Parquet file."""

_LINE_BREAKS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


class VectorWriter(ABC):
    """Writes the vectors of images, in order."""

    @abstractmethod
    def write(self, paths: Sequence[str], vectors: Array) -> None:
        """Write the vectors [N, D] of N images with these paths."""


class NpyWriter(VectorWriter):
    """A float32 array [N, D], and beside it a line with the path of each row.

    A line break within a path becomes `?`, so that the lines are those of the rows.

    Arguments:
        vectors: stream of the array, which must be seekable.
        paths: stream of the lines.
    """

    def __init__(self, vectors: IO[bytes], paths: IO[bytes]) -> None:
        self._vectors, self._paths = vectors, paths
        self._rows, self._size = 0, 0

    def write(self, paths: Sequence[str], vectors: Array) -> None:
        self._rows, self._size = self._rows + len(vectors), vectors.shape[1]
        if self._rows == len(vectors):
            self._write_header()
        self._vectors.write(np.ascontiguousarray(vectors, "<f4").tobytes())
        self._paths.writelines(os.fsencode(_LINE_BREAKS.sub("?", path)) + b"\n" for path in paths)

    def finish(self) -> None:
        """Write the number of rows into the header, which NumPy pads for that."""
        self._vectors.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, self._size)}
        np.lib.format.write_array_header_1_0(self._vectors, header)


class ParquetWriter(VectorWriter):
    """A table with the columns `path` and `embedding`, a list of D numbers; the model's identity is in its metadata.

    Arguments:
        stream: of the file.
        identity: fields that identify the model.
    """

    def __init__(self, stream: IO[bytes], identity: Mapping[str, str]) -> None:
        self._stream, self._identity = stream, identity
        self._writer: Any = None
        self._paths: list[str] = []
        self._vectors: list[Array] = []

    def write(self, paths: Sequence[str], vectors: Array) -> None:
        self._paths += (os.fsencode(path).decode("utf-8", "backslashreplace") for path in paths)
        self._vectors.append(vectors)
        if len(self._paths) >= ROWS:
            self._write_rows()

    def finish(self) -> None:
        """Write the last rows."""
        if self._paths:
            self._write_rows()
        self._writer.close()

    def _write_rows(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        vectors = np.concatenate(self._vectors)
        embeddings = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        table = pa.table({"path": pa.array(self._paths, pa.string()), "embedding": embeddings})
        if self._writer is None:
            schema = table.schema.with_metadata({f"model.{name}": value for name, value in self._identity.items()})
            self._writer = pq.ParquetWriter(self._stream, schema)
        self._writer.write_table(table.replace_schema_metadata(None))
        self._paths, self._vectors = [], []


def paths_file(output: Path) -> Path:
    """File with the paths of the rows of a .npy file: `vectors.paths.txt` for `vectors.npy`."""
    return output.with_suffix(".paths.txt")


@contextmanager
def writing_npy(output: Path, identity: Mapping[str, str]) -> Iterator[VectorWriter]:
    """Context of the writer of a .npy file and its paths; after an error, the old ones stay."""
    with replacing(paths_file(output)) as paths, replacing(output) as vectors:
        writer = NpyWriter(vectors, paths)
        yield writer
        writer.finish()


@contextmanager
def writing_parquet(output: Path, identity: Mapping[str, str]) -> Iterator[VectorWriter]:
    """Context of the writer of a .parquet file; after an error, the old one stays.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    with importing("parquet", f"-o {output}"):
        import pyarrow  # noqa: F401
    with replacing(output) as stream:
        writer = ParquetWriter(stream, identity)
        yield writer
        writer.finish()


FORMATS: Mapping[str, Callable[[Path, Mapping[str, str]], AbstractContextManager[VectorWriter]]] = {
    ".npy": writing_npy,
    ".parquet": writing_parquet,
}
"""Contexts of the writers of a file with the identity of the model, by the end of the file's name."""
