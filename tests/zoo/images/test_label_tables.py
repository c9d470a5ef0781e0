import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.images import write_files

from zoo.errors import DataError
from zoo.images.label_tables import open_label_tables, open_labelled_files
from zoo.images.labelled_files import LabelledFiles


def table(root: Path, text: str | bytes, *images: str, name: str = "labels.csv") -> str:
    """A table in a folder with the given images."""
    content = text if isinstance(text, bytes) else text.encode()
    write_files(root, dict.fromkeys(images, b"") | {name: content})
    return str(root / name)


def labels(found: LabelledFiles | None, root: Path) -> dict[str, dict[str, str]]:
    """Class of each image by split and relative path."""
    assert found is not None
    return {
        split: {str(Path(path).relative_to(root)): name for name, paths in own.items() for path in paths}
        for split, own in found.files.items()
    }


def json_lines(*rows: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.mark.parametrize(
    "columns", ["path,label", "file,class", "filename,Label", "image,labels", "file_name,category"]
)
def test_the_usual_names_of_columns(columns: str, tmp_path: Path) -> None:
    file = table(tmp_path, f"{columns}\na/1.png,cat\n2.png,dog\n", "a/1.png", "2.png")
    found = open_label_tables(file)
    assert labels(found, tmp_path) == {"train": {"a/1.png": "cat", "2.png": "dog"}}
    assert found is not None
    assert found.classes == ("cat", "dog")
    assert found.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label\r\n1.png,cat\r\n2.png,dog\r\n",  # as Excel writes it
        b"path;label\r\n1.png;cat\r\n2.png;dog\r\n",  # the same, where a comma separates decimals
        b"id\tlabel\tpath\n7\tcat\t1.png\n8\tdog\t2.png",
        b'"path","label"\n"1.png","cat"\n\n"2.png"," dog "\n',
    ],
)
def test_csv_as_programs_write_it(text: bytes, tmp_path: Path) -> None:
    found = open_label_tables(table(tmp_path, text, "1.png", "2.png"))
    assert labels(found, tmp_path) == {"train": {"1.png": "cat", "2.png": "dog"}}


def test_json_lines(tmp_path: Path) -> None:
    text = json_lines({"file": "1.png", "label": 10, "boxes": []}, {"file": "2.png", "label": 9})
    found = open_label_tables(table(tmp_path, text, "1.png", "2.png", name="x.jsonl"))
    assert labels(found, tmp_path) == {"train": {"1.png": "10", "2.png": "9"}}
    assert found is not None
    assert found.classes == ("9", "10")  # as numbers


def test_absolute_paths_and_paths_above_the_table(tmp_path: Path) -> None:
    write_files(tmp_path, {"1.png": b"", "2.png": b""})
    file = table(tmp_path / "lists", f"path,label\n../1.png,a\n{tmp_path / '2.png'},b\n")
    assert labels(open_label_tables(file), tmp_path) == {"train": {"1.png": "a", "2.png": "b"}}


def test_names_are_in_composed_form(tmp_path: Path) -> None:
    found = open_label_tables(table(tmp_path, "path,label\n1,Hu\u0308tte\n2,H\u00fctte\n3,x\n", *"123"))
    assert found is not None
    assert found.classes == ("H\u00fctte", "x")


def test_a_column_of_splits(tmp_path: Path) -> None:
    text = "path,label,split\n1,a,Train\n2,b,training\n3,a,val\n4,b,test\n5,a,extra\n"
    found = open_label_tables(table(tmp_path, text, *"12345"))
    assert labels(found, tmp_path) == {
        "train": {"1": "a", "2": "b"},
        "validation": {"3": "a"},
        "test": {"4": "b"},
        "extra": {"5": "a"},
    }


def test_splits_by_the_first_folder_of_all_paths(tmp_path: Path) -> None:
    images = ["train/1.png", "train/2.png", "test/1.png"]
    text = "path,label\ntrain/1.png,a\n./train/2.png,b\ntest/1.png,a\n"
    assert set(labels(open_label_tables(table(tmp_path, text, *images)), tmp_path)) == {"train", "test"}
    (tmp_path / "3.png").touch()
    found = open_label_tables(table(tmp_path, text + "3.png,b\n"))
    assert set(labels(found, tmp_path)) == {"train"}


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_metadata_of_a_folder(name: str, tmp_path: Path) -> None:
    rows = [{"file_name": "a/1.png", "label": "x", "text": "t"}, {"file_name": "2.png", "label": "y", "text": ""}]
    text = json_lines(*rows) if name.endswith("jsonl") else "file_name,label,text\na/1.png,x,t\n2.png,y,\n"
    table(tmp_path, text, "a/1.png", "2.png", "b/3.png", name=name)
    found = open_labelled_files(str(tmp_path))
    assert labels(found, tmp_path) == {"train": {"a/1.png": "x", "2.png": "y"}}
    assert found.notes == (f"images in {tmp_path} that its metadata does not list are ignored: b/3.png",)


def test_metadata_of_each_split_folder(tmp_path: Path) -> None:
    for split in ("train", "val"):
        table(tmp_path / split, "file_name,label\n1.png,a\n2.png,b\n", "1.png", "2.png", name="metadata.csv")
    found = open_labelled_files(str(tmp_path))
    images = {"1.png": "a", "2.png": "b"}
    assert labels(found, tmp_path) == {
        "train": {f"train/{name}": label for name, label in images.items()},
        "validation": {f"val/{name}": label for name, label in images.items()},
    }


def test_class_folders_with_metadata_that_has_no_labels(tmp_path: Path) -> None:
    table(tmp_path, "file_name,text\na/1.png,t\nb/2.png,t\n", "a/1.png", "b/2.png", name="metadata.csv")
    assert open_label_tables(str(tmp_path)) is None
    assert open_labelled_files(str(tmp_path)).classes == ("a", "b")


def test_metadata_without_labels_and_without_class_folders(tmp_path: Path) -> None:
    table(tmp_path, "file_name,text\n1.png,t\n", "1.png", name="metadata.csv")
    with pytest.raises(DataError, match=r"no column for the label; its columns are file_name, text\. .*label, labels"):
        open_labelled_files(str(tmp_path))


def test_two_metadata_files(tmp_path: Path) -> None:
    write_files(tmp_path, {"metadata.csv": b"", "metadata.jsonl": b""})
    with pytest.raises(DataError, match=r"both metadata\.csv and metadata\.jsonl; keep one"):
        open_labelled_files(str(tmp_path))


GOOD = "path,label\n1,a\n2,b\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("1.png,cat\n2.png,dog\n", "no column for the path; its columns are 1.png, cat"),
        ("path,colour\n1,red\n", "no column for the label; its columns are path, colour"),
        ("path,file,label\n1,1,a\n", "several columns for the path: path, file"),
        ("path,label,class\n1,a,a\n", "several columns for the label: label, class"),
        (GOOD + "3,\n4, \n", "2 of 4 rows without a label, in lines 4, 5"),
        (GOOD + ",c\n", "1 of 3 rows without a path, in line 4"),
        ("path,label,split\n1,a,train\n2,b,\n", "without a split, in line 3"),
        ("path,label,split\n1,a,x\n2,b,y\n", "has the splits x, y; call them train, validation, test"),
        ("path,label,split\n1,a,train\n2,b,train\n3,c,test\n", "labels in test that are not in train: c"),
        (GOOD + "x,b\n1/y,b\n", "2 of 4 files that do not exist: x, 1/y"),
        (GOOD + "z\\\\3,b\n", "/ separates folders"),
        (GOOD + "./1,b\n", r"lists ./1 twice, in line 2 of .* and line 4 of .*, as a, b"),
        ("path,label\n1,a\n2,a\n", "only one label, a"),
        (GOOD + "3,b,c\n", "line 4, has 3 fields, but the first line has 2"),
        (GOOD + '"3,b\n', "line 4: unexpected end of data"),
        (b"path,label\n1,\xff\n", "not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_table(text: str | bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        open_label_tables(table(tmp_path, text, "1", "2", "3"))
    assert "labels.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1, is not JSON"),
        ('{"file": "1", "label": "a"}\n[]', "line 2, is not an object"),
        (json_lines({"file": "1", "label": "a"}, {"file": "2"}), "without a label, in line 2"),
        (json_lines({"file": "1", "label": ["a", "b"]}), "without a label, in line 1"),
        (json_lines({"file": "1", "label": True}), "without a label, in line 1"),
        ('{"file": "1", "label": "\\udcff"}\n{"file": "2", "label": "a"}', "not Unicode text"),
    ],
)
def test_what_is_wrong_with_json_lines(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=problem):
        open_label_tables(table(tmp_path, text, "1", "2", name="labels.jsonl"))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*no\.csv: No such file"):
        open_labelled_files(str(tmp_path / "no.csv"))
