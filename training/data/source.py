"""What a source of labelled images is, wherever it lies."""

from typing import Protocol

from torch import Tensor


class EncodedFiles(Protocol):
    """Image files as bytes; picklable, since worker processes take them along."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """The whole file.

        Raises:
            OSError, ImageError: there is none, or it is no image.
        """

    def entry(self, index: int) -> tuple[str, int]:
        """Name of a file within its split, and size in bytes: what it is known by without being read.

        The name does not depend on where the data set lies, and is in NFC; it is empty, and the size is -1, where there
        is none.
        """

    def where(self, index: int) -> str:
        """Where the file lies, for messages: a path, or `SOURCE, train row 17`."""


class Source(Protocol):
    """A data set with its splits, opened one by one."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, of `zoo.images.class_folders.SPLITS` where they are called like them."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The same for all splits."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the source, a sentence each."""

    def open(self, split: str) -> tuple[EncodedFiles, Tensor]:
        """Files and labels ([N], int64, -1 where an image has none) of one of `splits`."""
