"""Folders of labelled images: one sub-folder per class, with or without folders of splits above the classes."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo.errors import DataError
from zoo.images.image_files import Listing, class_name, has_images, listed, walk
from zoo.images.labelled_files import MIN_CLASSES, LabelledFiles, known_classes
from zoo.images.table_files import SUFFIXES as TABLE_SUFFIXES
from zoo.printable import encodable, printable

SPLITS = ("train", "validation", "test")
"""Names of the known splits; see `split_of` for the folder names that stand for them."""

MIN_SPLITS = 2

_SPLIT_NAME = re.compile(
    r"((?P<train>train|training|trn)"
    r"|(?P<validation>validation|valid|val|development|dev)"
    r"|(?P<test>test|testing|tst|evaluation|eval))"  # `eval` as in Hugging Face's `datasets`
    r"([ _-]?(set|data|images|split|(19|20)\d\d))?"
)


def split_of(name: str) -> str | None:
    """Split of `SPLITS` that a name stands for (`val`, `dev_set` and `Valid` mean `validation`), or None."""
    found = _SPLIT_NAME.fullmatch(name.lower())
    return next((split for split in SPLITS if found and found[split]), None)


def _split_in(name: str) -> str | None:
    """Split that a word in a name stands for: `train` for `dogs_train`, `train.v1` and `2012-imgTrain`."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    splits = {split for word in words if (split := split_of(word))}
    return split_of(name) or (splits.pop() if len(splits) == 1 else None)


def name_splits(names: Iterable[str]) -> dict[str, str]:
    """Known splits by the names in a table; names that stand for the same split are kept as they are."""
    splits = {name: split_of(name) or name for name in names}
    count = Counter(splits.values())
    return {name: split if count[split] == 1 else name for name, split in splits.items()}


def open_class_folders(root: str) -> LabelledFiles:
    """Find the classes in a folder and their images, at any depth, sorted by name.

    `ROOT/CLASS/...` is a single split, `train`; `ROOT/SPLIT/CLASS/...` has several, see `find_splits`. `notes` lists
    what is ignored: files that are not images or belong to no class, classes without images, and folders beside the
    splits.

    Raises:
        DataError: there are fewer than two classes, a split has a class that `train` lacks, the layout is ambiguous, or
        a folder cannot be read.
    """
    notes: list[str] = []
    folders = find_splits(root, notes)
    files = {split: _read_classes(folder, notes) for split, folder in folders.items()}
    first = folders.get("train", root)
    classes = tuple(sorted(known_classes(files)))
    if len(classes) < MIN_CLASSES:
        raise DataError(_too_few(first, classes))
    for split, found in files.items():
        if unknown := [name for name in found if name not in classes]:
            raise DataError(
                f"{printable(folders[split])} has class folders that are missing in {printable(first)}: "
                f"{listed(unknown)}; add training images of these classes, or remove the folders"
            )
    return LabelledFiles(classes, {split: found for split, found in files.items() if found}, tuple(notes))


def find_splits(root: str, notes: list[str]) -> dict[str, str]:
    """The folder of each split, `train` first; the root itself is `train` if there are no split folders.

    Folders named like splits are splits if one of them has class folders. So are folders with a split in their names,
    such as `dogs_train`, if they have class folders of the same names. Other folders beside them are then ignored, and
    listed in `notes`.

    Raises:
        DataError: it is ambiguous whether folders are splits or classes; the message explains how to resolve it.
    """
    top = Listing.of(root)
    filled = {name: inside for name, path in top.folders.items() if (inside := _Inside.of(path)).has_images}
    named = {name: split for name in filled if (split := split_of(name))}
    if len(named) < MIN_SPLITS:
        if not any(filled[name].holds_classes for name in named):
            _refuse_splits_in_classes(root, filled)
        named = _decorated_splits(root, filled) or named
    splits = {name: _unwrapped(name, filled[name]) for name in named}
    parted = [name for name in named if splits[name].holds_classes]
    others = [name for name in top.folders if name not in named]
    classes = [name for name in filled if name not in named]
    if not named or (len(named) == 1 and not parted):
        return {"train": root}
    if not parted:
        raise DataError(
            f"{printable(root)}: {listed(named)} are named like splits, but have no class folders. If they are "
            f"splits, put the images of each class in a sub-folder, such as "
            f"{printable(os.path.join(root, next(iter(named)), 'CLASS', 'image.jpg'))}; if they are classes, "
            f"{_AS_CLASSES}"
        )
    if len(named) == 1 and classes:
        raise DataError(
            f"{printable(root)} is ambiguous: either {listed(named)} is a split, with {listed(classes)} beside it not "
            f"part of the data, or all of them are classes. If it is a split, move {listed(classes)} elsewhere; "
            f"if they are classes, {_AS_CLASSES}"
        )
    for split, count in Counter(named.values()).items():
        if count > 1:
            several = [name for name in named if named[name] == split]
            raise DataError(
                f"{printable(root)} has several folders for the {split} split: {listed(several)}; keep one of them"
            )
    if "train" in named.values():
        train = next(name for name, split in named.items() if split == "train")
        if train not in parted:
            raise DataError(
                f"{printable(top.folders[train])} has no class folders; put the images of each class in a sub-folder, "
                f"{printable(os.path.join(top.folders[train], 'CLASS', 'image.jpg'))}"
            )
    if others:
        notes.append(
            f"{listed(named)} in {printable(root)} are the splits; other folders beside them are ignored: "
            f"{listed(others)}"
        )
    if top.images or top.others:
        notes.append(_strays(root, top))
    # `train` first: the other splits have its classes.
    ordered = sorted(named, key=lambda name: SPLITS.index(named[name]))
    return {named[name]: splits[name].path for name in ordered}


_AS_CLASSES = "rename the folders named like splits, or move all class folders into NEW/train and give NEW"


@dataclass(frozen=True, slots=True)
class _Inside:
    """Content of a folder, as needed to distinguish splits from classes."""

    path: str
    flat: bool
    """Whether there are images directly in the folder."""
    folders: Mapping[str, str]
    """Sub-folders with images."""

    @classmethod
    def of(cls, path: str) -> "_Inside":
        listing = Listing.of(path)
        return cls(path, bool(listing.images), {name: to for name, to in listing.folders.items() if has_images(to)})

    @property
    def has_images(self) -> bool:
        return self.flat or bool(self.folders)

    @property
    def holds_classes(self) -> bool:
        """Whether the folder consists of class folders, rather than of images and perhaps one sub-folder."""
        return len(self.folders) >= MIN_CLASSES or (len(self.folders) == 1 and not self.flat)

    @property
    def only(self) -> "_Inside | None":
        """The single sub-folder with all images, if there is one."""
        return _Inside.of(next(iter(self.folders.values()))) if len(self.folders) == 1 and not self.flat else None

    @property
    def classes(self) -> set[str]:
        """Names of the class folders if there is nothing else, also in a single sub-folder."""
        inside = self.only or self
        return set() if inside.flat else set(map(class_name, inside.folders))


def _decorated_splits(root: str, filled: Mapping[str, _Inside]) -> dict[str, str]:
    """Splits among folders with a split in their names, such as `dogs_train`; none if the folders are classes."""
    read = {name: split for name in filled if (split := _split_in(name))}
    classes = {name: inside.classes for name, inside in filled.items()}
    alike = _alike(classes)
    if not alike:
        if len(read) >= MIN_SPLITS and (len(set(read.values())) > 1 or len(read) == len(filled)):
            raise DataError(
                f"{printable(root)} is ambiguous: {listed(read)} are either splits or classes. If they are splits, "
                "name them train, validation or test, and put the images of each class in a sub-folder, such as "
                f"{printable(os.path.join(root, 'train', 'CLASS', 'image.jpg'))}; if they are classes, {_AS_CLASSES}"
            )
        return {}
    splits = {name: read[name] for name in alike if name in read}
    if len(splits) >= MIN_SPLITS:
        return splits
    raise DataError(
        f"{printable(root)} is ambiguous: {listed(alike)} have sub-folders of the same names, so either these are the "
        f"classes ({listed(sorted(set.union(*(classes[name] for name in alike))))}), or {listed(alike)} are. If "
        f"they are splits, name them train, validation or test, or give one of them, such as "
        f"{printable(filled[alike[0]].path)}; if they are classes, move all class folders into NEW/train and give NEW"
    )


def _alike(classes: Mapping[str, set[str]]) -> list[str]:
    """Folders that share most of their class folders' names with another one."""
    first: dict[str, str] = {}  # no comparison of all pairs: there may be thousands of folders
    common = Counter((first.setdefault(name, folder), folder) for folder, names in classes.items() for name in names)
    alike = {
        folder
        for pair, count in common.items()
        if pair[0] != pair[1] and count >= MIN_CLASSES and 2 * count > min(len(classes[folder]) for folder in pair)
        for folder in pair
    }
    return sorted(alike)


def _unwrapped(name: str, inside: _Inside) -> _Inside:
    """The only sub-folder of a split if it has the same name or split, as some archives unpack: `val/val`."""
    inner = next(iter(inside.folders), "")
    same = inner == name or (_split_in(name) is not None and _split_in(inner) == _split_in(name))
    only = inside.only if same else None
    return only if only and only.holds_classes else inside


def _refuse_splits_in_classes(root: str, filled: Mapping[str, _Inside]) -> None:
    """Refuse splits below the classes, which would be trained on and measured as one."""
    for name, inside in filled.items():
        splits = [folder for folder in inside.folders if _split_in(folder)]
        if len({_split_in(folder) for folder in splits}) > 1:
            path = printable(inside.path)
            raise DataError(
                f"{path} has sub-folders named like splits: {listed(splits)}. If they are splits, put them above the "
                f"classes, such as {printable(os.path.join(root, splits[0], name))}, or give {path} if the classes are "
                "in them; otherwise rename them"
            )


def _read_classes(folder: str, notes: list[str]) -> dict[str, tuple[str, ...]]:
    """Images of each class folder in a folder; adds notes on what is ignored."""
    top = Listing.of(folder)
    if top.images or top.others:
        notes.append(_strays(folder, top))
    found: dict[str, list[str]] = {}
    others: list[str] = []
    for name, path in top.folders.items():
        if not encodable(name):
            raise DataError(f"the name of the class folder '{printable(path)}' is not UTF-8; rename it")
        images = found.setdefault(class_name(name), [])
        for listing in walk(path):
            images += listing.images.values()
            others += (os.path.relpath(other, folder) for other in listing.others.values())
    if others:
        notes.append(f"files in {printable(folder)} without the suffix of an image are ignored: {listed(others)}")
    if empty := [name for name, images in found.items() if not images]:
        notes.append(f"class folders without images in {printable(folder)} are ignored: {listed(empty)}")
    return {name: tuple(sorted(images, key=class_name)) for name, images in sorted(found.items()) if images}


def _strays(folder: str, listing: Listing) -> str:
    names = sorted([*listing.images, *listing.others])
    return f"files directly in {printable(folder)} belong to no class and are ignored: {listed(names)}"


def _too_few(folder: str, classes: tuple[str, ...]) -> str:
    """Message on a folder with fewer than two classes: what it has instead, and the remedies."""
    shown = printable(folder)
    top = Listing.of(folder)
    tables = [path for path in top.others.values() if path.lower().endswith(TABLE_SUFFIXES)]
    table = f", or give {printable(tables[0])} if it has the labels" if tables else ""
    if not classes:
        example = printable(os.path.join(folder, "CLASS", "image.jpg"))
        own = ", or write their paths and labels to a table (path,label), and give that" if top.images else ""
        return (
            f"{shown} has no class folders with images, and no train-*.parquet files; put the images of each class in "
            f"a sub-folder, {example}{table or own}"
        )
    inner, only = os.path.join(folder, classes[0]), printable(classes[0])
    empty = [name for name in top.folders if class_name(name) != classes[0]]
    found = f" ({listed(empty)}: no images)" if empty else ""
    found += f", beside {len(top.images)} images without a class folder" if top.images else ""
    parted = os.path.isdir(inner) and Listing.of(inner).folders
    inside = f", or give {printable(inner)} if the classes are its sub-folders" if parted else ""
    return (
        f"{shown} has only one class, {only}{found}; a classifier needs {MIN_CLASSES}: add a class folder"
        f"{inside}{table}"
    )
