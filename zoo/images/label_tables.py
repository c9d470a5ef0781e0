"""Tables of image paths and labels: CSV and JSON Lines files, and the metadata files of folders as on the Hub."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zoo.errors import DataError
from zoo.images.class_folders import SPLITS, open_class_folders, split_of
from zoo.images.image_files import Listing, class_name, has_images, listed, walk
from zoo.images.labelled_files import MIN_CLASSES, LabelledFiles, known_classes
from zoo.images.table_files import Fields, read_table
from zoo.printable import encodable, printable

PATH_COLUMNS = ("path", "file", "file_name", "filename", "file_path", "filepath", "image", "image_path")
LABEL_COLUMNS = ("label", "labels", "class", "category", "fine_label")
SPLIT_COLUMNS = ("split", "set", "subset")
"""Names of the columns, in lower case."""

METADATA = ("metadata.csv", "metadata.jsonl")
"""Files that label the images of their folder: https://huggingface.co/docs/datasets/image_dataset."""


def open_labelled_files(source: str) -> LabelledFiles:
    """Find labelled images: a table of paths and labels, a folder with metadata files, or class folders.

    Raises:
        DataError: as for `open_label_tables` and `zoo.images.class_folders.open_class_folders`.
    """
    return open_label_tables(source) or open_class_folders(source)


def open_label_tables(source: str) -> LabelledFiles | None:
    """Read the table of a file, or the metadata files of a folder or of the split folders in it.

    Paths are relative to the table's folder. Splits come from a column, from the folders of the metadata files, or
    from the first folder of all paths; otherwise every image is in `train`.

    Returns:
        The images; None for a folder without metadata files, or with class folders and metadata without labels.

    Raises:
        DataError: a table cannot be read, lacks a column, a label or a file, or names a file twice; or there are fewer
        than two classes, or a class that `train` lacks.
    """
    if not os.path.isdir(source):
        return _labelled(source, _Table.open(source).rows(), ())
    tables = {split: _Table.open(path) for split, path in _metadata(source).items()}
    unlabelled = [table for table in tables.values() if not table.has_labels]
    if not tables or (unlabelled and _class_folders(source)):
        return None
    rows = [row for split, table in tables.items() for row in table.rows(split or None)]
    return _labelled(source, rows, _unlisted(source, rows))


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    """Table and line."""
    path: str
    name: str
    """The path as it is in the table."""
    label: str
    split: str | None


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that was read, with its lines by number."""

    file: str
    columns: tuple[str, ...]
    lines: list[tuple[int, Fields]]

    @classmethod
    def open(cls, file: str) -> "_Table":
        columns, lines = read_table(file, {*PATH_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS})
        if not lines:
            raise DataError(f"{printable(file)} has no rows; give one per image, with a path and a label")
        return cls(file, columns, lines)

    @property
    def has_labels(self) -> bool:
        return bool(self._columns(LABEL_COLUMNS))

    def rows(self, split: str | None = None) -> list[_Row]:
        """The rows, checked; `split` is that of all of them unless there is a column."""
        shown, folder = printable(self.file), os.path.dirname(self.file)
        path_column, label_column = self._column("path", PATH_COLUMNS), self._column("label", LABEL_COLUMNS)
        split_column = self._column("split", SPLIT_COLUMNS) if self._columns(SPLIT_COLUMNS) else None
        used = [column for column in (path_column, label_column, split_column) if column]
        for column in used:
            if empty := [number for number, fields in self.lines if not _text(fields.get(column))]:
                raise DataError(
                    f"{shown} has {len(empty)} of {len(self.lines)} rows without a {column}, in "
                    f"line{'' if len(empty) == 1 else 's'} {listed(map(str, empty))}; fill them in, "
                    "or remove these rows"
                )
        rows = []
        for number, fields in self.lines:
            name = _text(fields[path_column])
            path = os.path.normpath(os.path.join(folder, name))
            own = _text(fields[split_column]) if split_column else split
            rows.append(_Row(f"line {number} of {shown}", path, name, class_name(_text(fields[label_column])), own))
        return rows

    def _columns(self, names: Iterable[str]) -> list[str]:
        return [column for column in self.columns if column.strip().lower() in names]

    def _column(self, what: str, names: tuple[str, ...]) -> str:
        found = self._columns(names)
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(
                f"{printable(self.file)} has several columns for the {what}: {listed(found)}; rename all but one"
            )
        raise DataError(
            f"{printable(self.file)} has no column for the {what}; its columns are {listed(self.columns)}. The first "
            f"line must name the columns; that of the {what} is one of {', '.join(names)}"
        )


def _text(value: object) -> str:
    """A field as text; empty if it is neither text nor an integer."""
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip() if is_text else ""


def _metadata(folder: str) -> dict[str, str]:
    """Metadata files by split, that of the folder itself by an empty name."""
    top = Listing.of(folder)
    if own := _metadata_of(folder, top):
        return {"": own}
    inner = {name: _metadata_of(path, Listing.of(path)) for name, path in top.folders.items() if split_of(name)}
    return {name: path for name, path in inner.items() if path}


def _metadata_of(folder: str, listing: Listing) -> str | None:
    found = [path for name, path in listing.others.items() if name in METADATA]
    if len(found) > 1:
        raise DataError(f"{printable(folder)} has both {' and '.join(METADATA)}; keep one of them")
    return found[0] if found else None


def _class_folders(folder: str) -> bool:
    return sum(map(has_images, Listing.of(folder).folders.values())) >= MIN_CLASSES


def _unlisted(folder: str, rows: Iterable[_Row]) -> tuple[str, ...]:
    """A note on the images of a folder that its metadata files do not list."""
    known = {os.path.abspath(row.path) for row in rows}
    images = [path for listing in walk(folder) for path in listing.images.values()]
    others = [os.path.relpath(path, folder) for path in images if os.path.abspath(path) not in known]
    if not others:
        return ()
    return (f"images in {printable(folder)} that its metadata does not list are ignored: {listed(others)}",)


def _labelled(source: str, rows: list[_Row], notes: tuple[str, ...]) -> LabelledFiles:
    shown = printable(source)
    _check_files(shown, rows)
    split = _splits(shown, rows)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[split(row)][row.label].append(row.path)
    known = known_classes(found)
    for name, own in found.items():
        if unknown := sorted(set(own) - known):
            raise DataError(
                f"{shown} has labels in {name} that are not in train: {listed(unknown)}; all splits must have the "
                "same classes"
            )
    if unencodable := [name for name in known if not encodable(name)]:
        raise DataError(f"{shown} has labels that are not Unicode text: {listed(unencodable)}; rename them")
    if len(known) < MIN_CLASSES:
        raise DataError(
            f"{shown} has only one label, {printable(known.pop())}; a classifier needs {MIN_CLASSES} classes: add "
            "images of another one"
        )
    # Numbers are sorted as numbers, not as text.
    integers = all(re.fullmatch(r"-?\d{1,18}", name) for name in known)
    classes = tuple(sorted(known, key=int if integers else None))
    order = sorted(found, key=lambda name: (SPLITS.index(name) if name in SPLITS else len(SPLITS), name))
    files = {
        name: {each: tuple(sorted(found[name][each])) for each in classes if each in found[name]} for name in order
    }
    return LabelledFiles(classes, files, notes)


def _check_files(shown: str, rows: Iterable[_Row]) -> None:
    first: dict[str, _Row] = {}
    for row in rows:
        if row.path in first:
            labels = sorted({first[row.path].label, row.label})
            raise DataError(
                f"{shown} lists {printable(row.name)} twice, in {first[row.path].where} and {row.where}, as "
                f"{listed(labels)}; keep one of them"
            )
        first[row.path] = row
    if missing := [row for row in first.values() if not os.path.isfile(row.path)]:
        slashes = ", and / separates folders" if "\\" in missing[0].name else ""
        raise DataError(
            f"{shown} lists {len(missing)} of {len(first)} files that do not exist: "
            f"{listed(row.name for row in missing)}; the first is {printable(missing[0].path)}, as paths are relative "
            f"to the folder of the table{slashes}"
        )


def _splits(shown: str, rows: list[_Row]) -> Callable[[_Row], str]:
    """The function that returns the split of a row."""
    given = {row.split for row in rows if row.split is not None}
    if given:
        if not any(map(split_of, given)):
            raise DataError(f"{shown} has the splits {listed(sorted(given))}; call them {', '.join(SPLITS)}")
        return lambda row: split_of(row.split or "") or row.split or ""
    folders = {_first_folder(row) for row in rows}
    splits = {folder: split for folder in folders if (split := split_of(folder))}
    if len(splits) == len(folders) == len(set(splits.values())) > 1:
        return lambda row: splits[_first_folder(row)]
    return lambda row: "train"


def _first_folder(row: _Row) -> str:
    return row.name.replace("\\", "/").removeprefix("./").partition("/")[0] if "/" in row.name else ""
