"""Image files of a folder, as defined for training, evaluation, export and the benchmarks alike."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from zoo.errors import DataError, reason_of
from zoo.images.formats import NAMES, SUFFIXES
from zoo.printable import printable

OTHER_SUFFIXES = (".jp2", ".jxl", ".pgm", ".ppm", ".tga")
"""File name suffixes of other image formats; these files are reported as unreadable rather than skipped."""

IGNORED = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "__pycache__", "@eadir", "$recycle.bin"}
    | {"system volume information", "lost+found"}
)
"""Files and folders, in lower case, that operating systems leave behind; hidden files are ignored, too."""

NO_IMAGES = f"the folder has no images ({NAMES})"
"""Reason for refusing a folder, with the formats that are read."""

MAX_NAMES_SHOWN = 20
"""Maximum number of names in a message."""


def is_image_name(name: str) -> bool:
    """Whether a file name is that of an image: it has the suffix of an image format, or none."""
    suffix = os.path.splitext(name)[1].lower()
    return not suffix or suffix in SUFFIXES or suffix in OTHER_SUFFIXES


@dataclass(frozen=True, slots=True)
class Listing:
    """Content of a folder: names and paths, sorted, without hidden files and `IGNORED`."""

    folders: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(folder: str) -> "Listing":
        """List a folder.

        Raises:
            DataError: it cannot be read.
        """
        listing = Listing()
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.name.startswith(".") or entry.name.lower() in IGNORED:
                        continue
                    # Not `entry.is_dir()`, which fails on a link to itself.
                    if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                        listing.folders[entry.name] = entry.path
                    elif is_image_name(entry.name):
                        listing.images[entry.name] = entry.path
                    else:
                        listing.others[entry.name] = entry.path
        except OSError as error:
            raise DataError(f"cannot read the folder {printable(folder)}: {reason_of(error)}") from error
        return listing


def walk(folder: str, unreadable: Callable[[DataError], None] | None = None) -> Iterator[Listing]:
    """Listings of a folder and of all folders below it, each once; links are followed, except to a parent folder.

    Arguments:
        folder: path of the folder.
        unreadable: called for each folder that cannot be read, in place of an exception; its cause is an `OSError`.

    Raises:
        DataError: a folder cannot be read.
    """
    parent = Path(os.path.abspath(folder)).parent
    above = {_identity(str(path)) for path in (parent, *parent.resolve().parents)}
    return _walk(folder, above - {_identity(folder)}, unreadable or _raise)


def has_images(folder: str) -> bool:
    """Whether there is an image in a folder or below it."""
    return any(listing.images for listing in walk(folder))


def expand_folders(paths: Iterable[Path], ignored: Path) -> list[Path]:
    """Files, each once, with each folder replaced by the images in it and below it, or kept if it has none.

    Arguments:
        paths: files and folders.
        ignored: folder below them whose images are left out, such as that of the output.

    Raises:
        DataError: a folder cannot be read.
    """
    found = (file for path in paths for file in (_images_below(path, ignored) if path.is_dir() else []) or [path])
    return list(dict.fromkeys(found))


def class_name(folder_name: str) -> str:
    """Name of a class in composed form (NFC), since macOS may store names in another form than Linux and Windows."""
    return unicodedata.normalize("NFC", folder_name)


def listed(names: Iterable[str]) -> str:
    """Names for a message: the first `MAX_NAMES_SHOWN`, and the number of others."""
    names = list(names)
    more = f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else ""
    return ", ".join(map(printable, names[:MAX_NAMES_SHOWN])) + more


def _images_below(folder: Path, ignored: Path) -> list[Path]:
    images = [Path(image) for listing in walk(str(folder)) for image in listing.images.values()]
    if _is_below(folder, ignored):
        return images
    left_out = {parent for parent in {image.parent for image in images} if _is_below(parent, ignored)}
    return [image for image in images if image.parent not in left_out]


def _is_below(folder: Path, other: Path) -> bool:
    return folder.resolve().is_relative_to(other.resolve())


def _walk(folder: str, seen: set[tuple[int, int]], unreadable: Callable[[DataError], None]) -> Iterator[Listing]:
    try:
        identity = _identity(folder)
        if identity in seen:
            return
        seen.add(identity)
        listing = Listing.of(folder)
    except DataError as error:
        unreadable(error)
        return
    yield listing
    for inner in listing.folders.values():
        yield from _walk(inner, seen, unreadable)


def _raise(error: DataError) -> NoReturn:
    raise error


def _identity(folder: str) -> tuple[int, int]:
    try:
        status = os.stat(folder)
    except OSError as error:
        raise DataError(f"cannot read the folder {printable(folder)}: {reason_of(error)}") from error
    return status.st_dev, status.st_ino
