"""Image files with labels, in class folders or named by tables, as sources; see `zoo.images`."""

import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import ImageError, ImageTooLargeError
from zoo.images.label_tables import open_labelled_files
from zoo.images.labelled_files import LabelledFiles
from zoo.printable import printable

MAX_BYTES = 256 * 2**20
"""Size limit of a file that is read, since there may be videos among the images."""


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Image files by path."""

    paths: tuple[str, ...]
    root: str
    """Common folder of all files."""

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes:
        status = os.stat(self.paths[index])
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("it is not a regular file")
        if status.st_size > MAX_BYTES:
            raise ImageTooLargeError(f"the file has {status.st_size} bytes, above the limit of {MAX_BYTES}")
        return Path(self.paths[index]).read_bytes()

    def entry(self, index: int) -> tuple[str, int]:
        path = self.paths[index]
        try:
            size = os.stat(path).st_size
        except OSError:  # reported by training
            size = -1
        return unicodedata.normalize("NFC", path.removeprefix(self.root).lstrip(os.sep)).replace(os.sep, "/"), size

    def where(self, index: int) -> str:
        return printable(self.paths[index])


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Labelled files as a `training.data.source.Source`."""

    found: LabelledFiles

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.found.files)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.found.classes

    @property
    def notes(self) -> tuple[str, ...]:
        return self.found.notes

    def open(self, split: str) -> tuple[FolderFiles, Tensor]:
        paths, labels = self.found.of(split)
        root = os.path.commonpath({os.path.dirname(path) for path in paths})
        return FolderFiles(paths, root), torch.tensor(labels, dtype=torch.int64)


def open_folder(root: str) -> FolderSource:
    """Find the classes of a folder or of a table and their images; see `zoo.images.label_tables`."""
    return FolderSource(open_labelled_files(root))
