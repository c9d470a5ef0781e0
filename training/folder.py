"""A folder of pictures that nobody prepared: one folder a class, with or without `train` and `test` above them."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from training.source import SPLIT_NAMES, DataError
from zoo.errors import ImageError, ImageTooLargeError

IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""Names, in lower case, of what systems leave in folders; hidden files are ignored, too."""

MAX_BYTES = 256 * 2**20
"""Size of the largest file that is read: films lie among pictures, too."""

SHOWN = 20
"""Names that a message lists at most."""

MIN_CLASSES = 2


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Files by their paths."""

    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes:
        status = os.stat(self.paths[index])
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("it is no regular file")
        if status.st_size > MAX_BYTES:
            raise ImageTooLargeError(f"the file has {status.st_size} bytes, above the limit of {MAX_BYTES}")
        return Path(self.paths[index]).read_bytes()

    def where(self, index: int) -> str:
        return _printable(self.paths[index])


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Class folders, read by `open_folder`."""

    classes: tuple[str, ...]
    """Names of the folders that hold files, sorted."""
    files: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Paths of each split's and each class's files."""
    notes: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.files)

    def open(self, split: str) -> tuple[FolderFiles, Tensor]:
        paths: list[str] = []
        labels: list[int] = []
        for name, of_class in self.files[split].items():
            paths += of_class
            labels += [self.classes.index(name)] * len(of_class)
        return FolderFiles(tuple(paths)), torch.tensor(labels, dtype=torch.int64)


def open_folder(root: str) -> FolderSource:
    """Find the classes of a folder and their files, at any depth, in the order of their names.

    There are two layouts. `ROOT/CLASS/...` is one split, `train`. `ROOT/train/CLASS/...` is read where `ROOT` has no
    other folders than those named as splits (`training.source.SPLIT_NAMES`, in upper or lower case). Files that belong
    to no class, and classes without files, are left out and named in `notes`. Links are followed, and each folder is
    read once a class.

    Raises:
        DataError: there are no two classes, a split lies in two folders or has a class that `train` has not, or a
            folder cannot be read.
    """
    notes: list[str] = []
    folders = _find_splits(root, notes)
    files = {split: _read_classes(folder, notes) for split, folder in folders.items()}
    classes = tuple(files["train"])
    if len(classes) < MIN_CLASSES:
        raise DataError(_too_few(folders["train"], classes))
    for split, found in files.items():
        if unknown := [name for name in found if name not in classes]:
            raise DataError(
                f"{_printable(folders[split])} has class folders that {_printable(folders['train'])} has not: "
                f"{_listed(unknown)}; add pictures to train on, or remove them"
            )
    return FolderSource(classes, {split: found for split, found in files.items() if found}, tuple(notes))


def _find_splits(root: str, notes: list[str]) -> dict[str, str]:
    """The folder of class folders of each split, `train` first, and notes on what is left out."""
    top = _Listing.of(root)
    splits = {name: SPLIT_NAMES.get(name.lower()) for name in top.folders}
    train = next((path for name, path in top.folders.items() if splits[name] == "train"), None)
    if train is None:
        return {"train": root}
    if others := [name for name, split in splits.items() if split is None]:
        notes.append(
            f"{os.path.basename(train)} is taken for a class, not for a split, since these folders lie beside it: "
            f"{_listed(others)}"
        )
        return {"train": root}
    if len(set(splits.values())) < len(splits):
        raise DataError(
            f"{_printable(root)} has several folders of one split: {_listed(list(splits))}; keep one of each"
        )
    if not _Listing.of(train).folders:
        raise DataError(
            f"{_printable(train)} has no class folders; put each class's pictures in a folder of their own, "
            f"{_printable(os.path.join(train, 'CLASS', 'picture.jpg'))}"
        )
    if top.files:
        notes.append(_strays(root, top))
    # `train` first: the other splits have its classes.
    ordered = sorted(top.folders, key=lambda name: splits[name] != "train")
    return {str(splits[name]): top.folders[name] for name in ordered}


@dataclass(frozen=True, slots=True)
class _Listing:
    """What lies in a folder: names and paths, sorted, without what is hidden or left there by a system."""

    folders: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: str) -> "_Listing":
        listing = cls()
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if not entry.name.startswith(".") and entry.name.lower() not in IGNORED:
                        # Not `entry.is_dir()`, which fails on a link to itself.
                        is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
                        (listing.folders if is_folder else listing.files)[entry.name] = entry.path
        except OSError as error:
            raise DataError(f"cannot read the folder {_printable(folder)}: {error.strerror}") from error
        return listing


def _read_classes(folder: str, notes: list[str]) -> dict[str, tuple[str, ...]]:
    """The files of each class folder in a folder, and notes on what is left out."""
    listing = _Listing.of(folder)
    if listing.files:
        notes.append(_strays(folder, listing))
    found: dict[str, tuple[str, ...]] = {}
    for name, path in listing.folders.items():
        if name != _printable(name):
            raise DataError(f"the name of the class folder {_printable(path)!r} is not in UTF-8; rename it")
        # A link to a folder above would bring the other classes along.
        seen = {_identity(above) for above in (folder, *map(str, Path(folder).resolve().parents))}
        found[name] = tuple(sorted(_files_below(path, seen)))
    if empty := [name for name, paths in found.items() if not paths]:
        notes.append(f"class folders without files in {_printable(folder)} are left out: {_listed(empty)}")
    return {name: paths for name, paths in found.items() if paths}


def _files_below(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    identity = _identity(folder)
    if identity in seen:
        return
    seen.add(identity)
    listing = _Listing.of(folder)
    yield from listing.files.values()
    for inner in listing.folders.values():
        yield from _files_below(inner, seen)


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _strays(folder: str, listing: _Listing) -> str:
    return f"files in {_printable(folder)} beside its folders belong to no class: {_listed(list(listing.files))}"


def _too_few(folder: str, classes: tuple[str, ...]) -> str:
    folder = _printable(folder)
    if not classes:
        return (
            f"{folder} has no class folders with pictures, and no train-*.parquet files; put each class's pictures in "
            f"a folder of their own, {os.path.join(folder, 'CLASS', 'picture.jpg')}"
        )
    inner = os.path.join(folder, classes[0])
    hint = f", or give {inner} if the classes are the folders in it" if _Listing.of(inner).folders else ""
    return f"{folder} has one class only, {classes[0]}; a classifier needs {MIN_CLASSES}: add a class folder{hint}"


def _listed(names: list[str]) -> str:
    """Names for a message: all, or the first and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(_printable, names[:SHOWN])) + more


def _printable(path: str) -> str:
    """A path as text that any output takes; a system's file names may be in no encoding."""
    return path.encode(errors="replace").decode()
