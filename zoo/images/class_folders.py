"""Folders of labelled images: one sub-folder per class, with or without folders of splits above the classes."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo.errors import DataError
from zoo.images.image_files import Listing, class_name, has_images, listed, walk
from zoo.printable import encodable, printable

SPLITS = ("train", "validation", "test")
"""Names of the splits with a meaning; see `split_of` for what they may be called where they lie."""

MIN_CLASSES = 2
MIN_SPLITS = 2

_SPLIT_NAME = re.compile(
    r"((?P<train>train|training|trn)"
    r"|(?P<validation>validation|valid|val|development|dev)"
    r"|(?P<test>test|testing|tst|evaluation|eval))"  # `eval` as in Hugging Face's `datasets`
    r"([ _-]?(set|data|images|split|(19|20)\d\d))?"
)


def split_of(name: str) -> str | None:
    """The split that a name stands for, of `SPLITS`: `val`, `dev_set` and `Valid` are `validation`; None for others."""
    found = _SPLIT_NAME.fullmatch(name.lower())
    return next((split for split in SPLITS if found and found[split]), None)


def _split_in(name: str) -> str | None:
    """The split that a word of a name stands for: of `dogs_train`, `train.v1` and `2012-imgTrain` it is `train`."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    splits = {split for word in words if (split := split_of(word))}
    return split_of(name) or (splits.pop() if len(splits) == 1 else None)


def name_splits(names: Iterable[str]) -> dict[str, str]:
    """The splits of a table by their names there; of several names of one split, those that are not its own stay."""
    splits = {name: split_of(name) or name for name in names}
    count = Counter(splits.values())
    return {name: split if count[split] == 1 else name for name, split in splits.items()}


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """What `open_class_folders` found."""

    classes: tuple[str, ...]
    """Names of the folders that hold images, sorted; see `zoo.images.image_files.class_name`."""
    files: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Paths of the images by split and class."""
    notes: tuple[str, ...]
    """What was left out, a sentence each."""

    def of(self, split: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Paths and class numbers of a split's images."""
        paths: list[str] = []
        labels: list[int] = []
        for name, own in self.files[split].items():
            paths += own
            labels += [self.classes.index(name)] * len(own)
        return tuple(paths), tuple(labels)


def open_class_folders(root: str) -> ClassFolders:
    """Find the classes of a folder and their images, at any depth, in the order of their names.

    `ROOT/CLASS/...` is one split, `train`; `ROOT/SPLIT/CLASS/...` has several, see `find_splits`. What is left out is
    named in `notes`: files that are no images or belong to no class, classes without images, folders beside the splits.

    Raises:
        DataError: there are no two classes, a split has a class that `train` has not, the folder can be read in two
            ways, or a folder cannot be read.
    """
    notes: list[str] = []
    folders = find_splits(root, notes)
    files = {split: _read_classes(folder, notes) for split, folder in folders.items()}
    first = folders.get("train", root)
    known = files["train"] if "train" in files else {name for found in files.values() for name in found}
    classes = tuple(sorted(known))
    if len(classes) < MIN_CLASSES:
        raise DataError(_too_few(first, classes))
    for split, found in files.items():
        if unknown := [name for name in found if name not in classes]:
            raise DataError(
                f"{printable(folders[split])} has class folders that {printable(first)} has not: {listed(unknown)}; "
                "add images of them to train on, or remove the folders"
            )
    return ClassFolders(classes, {split: found for split, found in files.items() if found}, tuple(notes))


def find_splits(root: str, notes: list[str]) -> dict[str, str]:
    """The folder of class folders of each split, `train` first; the root itself is `train` where no folder is a split.

    Folders that are called like splits are splits if class folders lie in one of them, and so are folders with a split
    in their names, such as `dogs_train`, if they hold class folders of the same names; other folders beside them are
    then left out, which `notes` says.

    Raises:
        DataError: it is not clear whether folders are splits or classes; the message says how to make it clear.
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
            f"{printable(root)}: {listed(named)} are called like splits, but have no class folders. If they are "
            f"splits, put each class's images in a folder of its own, such as "
            f"{printable(os.path.join(root, next(iter(named)), 'CLASS', 'image.jpg'))}; if they are classes, "
            f"{_AS_CLASSES}"
        )
    if len(named) == 1 and classes:
        raise DataError(
            f"{printable(root)} can be read in two ways: {listed(named)} is a split, and {listed(classes)} beside it "
            f"no part of the data, or all of them are classes. If it is a split, move {listed(classes)} to another "
            f"place; if they are classes, {_AS_CLASSES}"
        )
    for split, count in Counter(named.values()).items():
        if count > 1:
            several = [name for name in named if named[name] == split]
            raise DataError(
                f"{printable(root)} has several folders of one split, {split}: {listed(several)}; keep one of them"
            )
    if "train" in named.values():
        train = next(name for name, split in named.items() if split == "train")
        if train not in parted:
            raise DataError(
                f"{printable(top.folders[train])} has no class folders; put each class's images in a folder of its "
                f"own, {printable(os.path.join(top.folders[train], 'CLASS', 'image.jpg'))}"
            )
    if others:
        notes.append(
            f"{listed(named)} in {printable(root)} are the splits; other folders beside them are left out: "
            f"{listed(others)}"
        )
    if top.images or top.others:
        notes.append(_strays(root, top))
    # `train` first: the other splits have its classes.
    ordered = sorted(named, key=lambda name: SPLITS.index(named[name]))
    return {named[name]: splits[name].path for name in ordered}


_AS_CLASSES = "rename what is called like a split, or move all class folders into NEW/train and give NEW"


@dataclass(frozen=True, slots=True)
class _Inside:
    """What lies in a folder, as far as it tells splits from classes."""

    path: str
    flat: bool
    """Whether there are images in the folder itself."""
    folders: Mapping[str, str]
    """The folders in it that have images."""

    @classmethod
    def of(cls, path: str) -> "_Inside":
        listing = Listing.of(path)
        return cls(path, bool(listing.images), {name: to for name, to in listing.folders.items() if has_images(to)})

    @property
    def has_images(self) -> bool:
        return self.flat or bool(self.folders)

    @property
    def holds_classes(self) -> bool:
        """Whether the folder is one of class folders, not one of images in which a folder may lie, too."""
        return len(self.folders) >= MIN_CLASSES or (len(self.folders) == 1 and not self.flat)

    @property
    def only(self) -> "_Inside | None":
        """The folder in which all images are."""
        return _Inside.of(next(iter(self.folders.values()))) if len(self.folders) == 1 and not self.flat else None

    @property
    def classes(self) -> set[str]:
        """Names of the class folders if there is nothing else; a single folder is looked into."""
        inside = self.only or self
        return set() if inside.flat else set(map(class_name, inside.folders))


def _decorated_splits(root: str, filled: Mapping[str, _Inside]) -> dict[str, str]:
    """The splits among folders that are not simply called like them; none where the folders are classes."""
    read = {name: split for name in filled if (split := _split_in(name))}
    classes = {name: inside.classes for name, inside in filled.items()}
    alike = _alike(classes)
    if not alike:
        if len(read) >= MIN_SPLITS and (len(set(read.values())) > 1 or len(read) == len(filled)):
            raise DataError(
                f"{printable(root)} can be read in two ways: {listed(read)} are splits, or classes. If they are "
                "splits, call them train, validation or test, and put each class's images in a folder of its own, "
                f"such as {printable(os.path.join(root, 'train', 'CLASS', 'image.jpg'))}; if they are classes, "
                f"{_AS_CLASSES}"
            )
        return {}
    splits = {name: read[name] for name in alike if name in read}
    if len(splits) >= MIN_SPLITS:
        return splits
    raise DataError(
        f"{printable(root)} can be read in two ways: {listed(alike)} hold folders of the same names, which are the "
        f"classes ({listed(sorted(set.union(*(classes[name] for name in alike))))}), or are classes themselves. If "
        f"they are splits, call them train, validation or test, or give one of them, such as "
        f"{printable(filled[alike[0]].path)}; if they are classes, move all class folders into NEW/train and give NEW"
    )


def _alike(classes: Mapping[str, set[str]]) -> list[str]:
    """The folders that have most of their class folders' names in common with another one."""
    first: dict[str, str] = {}  # not every folder with every other: there may be thousands
    common = Counter((first.setdefault(name, folder), folder) for folder, names in classes.items() for name in names)
    alike = {
        folder
        for pair, count in common.items()
        if pair[0] != pair[1] and count >= MIN_CLASSES and 2 * count > min(len(classes[folder]) for folder in pair)
        for folder in pair
    }
    return sorted(alike)


def _unwrapped(name: str, inside: _Inside) -> _Inside:
    """The folder of the same name, or split, that is alone in a split, as some archives unpack: `val/val`."""
    inner = next(iter(inside.folders), "")
    same = inner == name or (_split_in(name) is not None and _split_in(inner) == _split_in(name))
    only = inside.only if same else None
    return only if only and only.holds_classes else inside


def _refuse_splits_in_classes(root: str, filled: Mapping[str, _Inside]) -> None:
    """Splits below the classes would be trained on and measured as one."""
    for name, inside in filled.items():
        splits = [folder for folder in inside.folders if _split_in(folder)]
        if len({_split_in(folder) for folder in splits}) > 1:
            path = printable(inside.path)
            raise DataError(
                f"{path} holds folders that are called like splits: {listed(splits)}. If they are splits, put them "
                f"above the classes, such as {printable(os.path.join(root, splits[0], name))}, or give {path} if the "
                "classes are in them; if they are not, rename them"
            )


def _read_classes(folder: str, notes: list[str]) -> dict[str, tuple[str, ...]]:
    """The images of each class folder in a folder, and notes on what is left out."""
    top = Listing.of(folder)
    if top.images or top.others:
        notes.append(_strays(folder, top))
    found: dict[str, list[str]] = {}
    others: list[str] = []
    for name, path in top.folders.items():
        if not encodable(name):
            raise DataError(f"the name of the class folder '{printable(path)}' is not in UTF-8; rename it")
        images = found.setdefault(class_name(name), [])
        for listing in walk(path):
            images += listing.images.values()
            others += (os.path.relpath(other, folder) for other in listing.others.values())
    if others:
        notes.append(f"files in {printable(folder)} that are no images by their names are left out: {listed(others)}")
    if empty := [name for name, images in found.items() if not images]:
        notes.append(f"class folders without images in {printable(folder)} are left out: {listed(empty)}")
    return {name: tuple(sorted(images, key=class_name)) for name, images in sorted(found.items()) if images}


def _strays(folder: str, listing: Listing) -> str:
    names = sorted([*listing.images, *listing.others])
    return f"files in {printable(folder)} beside its folders belong to no class: {listed(names)}"


def _too_few(folder: str, classes: tuple[str, ...]) -> str:
    shown = printable(folder)
    if not classes:
        return (
            f"{shown} has no class folders with images, and no train-*.parquet files; put each class's images in "
            f"a folder of their own, {os.path.join(shown, 'CLASS', 'image.jpg')}"
        )
    inner, only = os.path.join(folder, classes[0]), printable(classes[0])
    hint = ""
    if os.path.isdir(inner) and Listing.of(inner).folders:
        hint = f", or give {printable(inner)} if the classes are the folders in it"
    return f"{shown} has one class only, {only}; a classifier needs {MIN_CLASSES}: add a class folder{hint}"
