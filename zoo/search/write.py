"""Writing of an index, image by image: only names grow in memory, and the folder appears when it is complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np

from zoo.errors import InputError
from zoo.files import write_json
from zoo.outputs import Array
from zoo.search.image_index import (
    HEADER_FILE,
    LABELS_FILE,
    NAMES_FILE,
    OFFSETS_FILE,
    THUMBNAILS_FILE,
    VECTORS_FILE,
    Header,
    ImageIndex,
)
from zoo.search.nearest import unit


@contextmanager
def writing_index(folder: Path, header: Header) -> Iterator["IndexWriter"]:
    """Context manager for an index, which is there at the end, in place of an older one; after an error, that stays.

    Arguments:
        folder: folder of the index.
        header: its identity; the number of images in its shape is replaced by that of the images written.

    Raises:
        InputError: the folder has something else than an index, or no image was written.
        OSError: it cannot be written.
    """
    with _replacing(folder) as unfinished:
        with (unfinished / VECTORS_FILE).open("wb") as vectors, (unfinished / THUMBNAILS_FILE).open("wb") as thumbnails:
            writer = IndexWriter(header, vectors, thumbnails)
            yield writer
            if not writer.names:
                raise InputError(f"{folder}: there is no image to index; give a folder with readable images")
            writer.write_head()
        np.save(unfinished / LABELS_FILE, np.array(writer.labels, np.int64))
        np.save(unfinished / OFFSETS_FILE, np.array(writer.offsets, np.int64))
        write_json(unfinished / NAMES_FILE, writer.names)
        write_json(unfinished / HEADER_FILE, asdict(replace(header, shape=writer.shape)))


class IndexWriter:
    """Writer of an index that is not complete."""

    def __init__(self, header: Header, vectors: IO[bytes], thumbnails: IO[bytes]) -> None:
        self._header, self._vectors, self._thumbnails = header, vectors, thumbnails
        self.names: list[str] = []
        self.labels: list[int] = []
        self.offsets = [0]
        self.write_head()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the vectors written so far."""
        return (len(self.names), *self._header.shape[1:])

    def add(self, name: str, vector: Array, thumbnail: bytes, label: int = -1) -> None:
        """Write an image.

        Arguments:
            name: its name.
            vector: of any length, with the shape of the header.
            thumbnail: WebP file.
            label: class of the image, -1 for none.

        Raises:
            InputError: the vector has numbers that are infinite or not a number, or another shape.
        """
        if vector.shape != self.shape[1:]:
            raise InputError(f"{name}: its vector has shape {list(vector.shape)}, expected {list(self.shape[1:])}")
        scaled = unit(vector, f"{name}: vector")
        self._vectors.write(scaled.astype(self._header.dtype).tobytes())
        self._thumbnails.write(thumbnail)
        self.names.append(name)
        self.labels.append(label)
        self.offsets.append(self.offsets[-1] + len(thumbnail))

    def write_head(self) -> None:
        """Write the head of the array, which NumPy pads so that its length is the same for any number of images."""
        description = np.lib.format.dtype_to_descr(np.dtype(self._header.dtype))
        head = {"descr": description, "fortran_order": False, "shape": self.shape}
        self._vectors.seek(0)
        np.lib.format.write_array_header_1_0(self._vectors, head)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Context manager for a temporary folder, which takes the place of another one that is empty or an index."""
    folder = folder.resolve()  # `.` has no name
    if folder.exists() and not ImageIndex.exists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        what = "has other files than an index" if folder.is_dir() else "is a file"
        raise InputError(f"{folder} {what}; choose another folder for the index")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:40]}.", ignore_cleanup_errors=True) as temporary:
        unfinished = Path(temporary) / "new"
        unfinished.mkdir()
        yield unfinished
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        unfinished.rename(folder)
