"""Images to classify, one by one: files, folders, URLs, standard input and lists of all of these."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO, NamedTuple, NoReturn

from zoo.errors import DataError, InputError, ZooError
from zoo.files import MAX_FILE_BYTES, read_bounded
from zoo.images.image_files import NO_IMAGES, walk
from zoo.parallel import map_in_order

STANDARD_INPUT = "-"

DOWNLOADS = 8
"""URLs that are fetched at the same time."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Source(NamedTuple):
    """An image that has not been read yet."""

    name: str
    """Path or URL."""
    read: Callable[[], bytes]
    """Reads the file; raises `OSError` or `ZooError`."""


@dataclass(frozen=True, slots=True)
class Sources:
    """All images that the arguments of a command name, listed anew by each iteration.

    Arguments:
        names: paths of files and folders, URLs, and `-` for an image on standard input.
        list_file: file with further ones, one per line; `-` for standard input.

    Raises:
        InputError: standard input is named twice, or is a terminal.
        OSError: there is no such list, or (on iteration) it cannot be read.
    """

    names: tuple[str, ...]
    list_file: str | None = None

    def __post_init__(self) -> None:
        wanted = (*self.names, self.list_file).count(STANDARD_INPUT)
        if wanted > 1:
            raise InputError(f"{STANDARD_INPUT} was given {wanted} times, but standard input can be read once only")
        if wanted and sys.stdin and sys.stdin.isatty():
            kind = "an image" if STANDARD_INPUT in self.names else "a list of paths"
            raise InputError(f"{STANDARD_INPUT}: standard input is a terminal; pipe {kind} into this command")
        if self.list_file not in (None, STANDARD_INPUT):
            # Only looked at: a pipe can be opened once.
            os.stat(str(self.list_file))

    def __iter__(self) -> Iterator[Source]:
        for remote, group in groupby(self._all(), key=lambda source: is_url(source.name)):
            if remote:
                yield from map_in_order(_downloaded, group, DOWNLOADS)
            else:
                yield from group

    def _all(self) -> Iterator[Source]:
        for name in self.names:
            yield from _standard_input() if name == STANDARD_INPUT else _sources(name)
        if self.list_file is not None:
            for name in _lines(self.list_file):
                yield from _sources(name)

    def count(self) -> int | None:
        """Number of images; None if it is not known before the list has been read."""
        if self.list_file is not None:
            return None
        return sum(1 if name == STANDARD_INPUT else sum(1 for _ in _sources(name)) for name in self.names)


def is_url(name: str) -> bool:
    """Whether a name is a URL of any scheme."""
    return _URL.match(name) is not None


def _sources(name: str) -> Iterator[Source]:
    if is_url(name):
        yield Source(name, lambda: _fetch(name))
    elif os.path.isdir(name):
        yield from _folder(name)
    else:
        yield _file(name)


def _file(path: str) -> Source:
    return Source(path, lambda: read_bounded(path))


def _folder(folder: str) -> Iterator[Source]:
    """Images of a folder and all folders below it; each that cannot be read fails as one, and one without images."""
    found, unreadable = False, list[DataError]()
    for listing in walk(folder, unreadable.append):
        for path in listing.images.values():
            found = True
            yield _file(path)
    for error in unreadable:
        cause = error.__cause__
        assert isinstance(cause, OSError)
        yield Source(cause.filename or folder, _raising(cause))
    if not found and not unreadable:
        yield Source(folder, _raising(InputError(NO_IMAGES)))


def _downloaded(source: Source) -> Source:
    """The source of a URL once it has been read."""
    try:
        data = source.read()
    except (OSError, ZooError) as error:
        return Source(source.name, _raising(error))
    return Source(source.name, lambda: data)


def _fetch(url: str) -> bytes:
    # Imported late, since few commands need TLS.
    from zoo.classify.fetch import fetch

    return fetch(url)


def _standard_input() -> Iterator[Source]:
    yield Source(STANDARD_INPUT, lambda: _read_all(_standard_stream()))


def _standard_stream() -> BinaryIO:
    return sys.stdin.buffer


def _read_all(stream: BinaryIO) -> bytes:
    data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"the image exceeds the limit of {MAX_FILE_BYTES:,} bytes; give a smaller one")
    return data


def _lines(list_file: str) -> Iterator[str]:
    """Lines of a file that are not empty, decoded like the names of files."""
    if list_file == STANDARD_INPUT:
        yield from _names(_standard_stream())
    else:
        with open(list_file, "rb") as stream:
            yield from _names(stream)


def _names(stream: Iterable[bytes]) -> Iterator[str]:
    for line in stream:
        if name := os.fsdecode(line.rstrip(b"\r\n")):
            yield name


def _raising(error: Exception) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail
