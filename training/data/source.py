"""Interface of sources of labelled images."""

from typing import Protocol

from torch import Tensor


class EncodedFiles(Protocol):
    """Image files as bytes; picklable, for worker processes."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """Content of a file.

        Raises:
            OSError, ImageError: the file does not exist, or is not an image.
        """

    def entry(self, index: int) -> tuple[str, int]:
        """Name of a file within its split and size in bytes, which identify it without reading it.

        The name is in NFC and does not depend on the data set's location; a missing name is empty, and a missing size
        is -1.
        """

    def where(self, index: int) -> str:
        """Location of the file, for messages: a path, or `SOURCE, train row 17`."""


class Source(Protocol):
    """A data set whose splits are opened one by one."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, mapped to `zoo.images.class_folders.SPLITS` where they match."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the same for all splits."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on the source, one sentence each."""

    def open(self, split: str) -> tuple[EncodedFiles, Tensor]:
        """Files and labels ([N], int64, -1 where an image has none) of one of `splits`."""
