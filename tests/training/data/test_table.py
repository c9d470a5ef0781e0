import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from huggingface_hub import HfApi
from support.images import coloured, make_rows, write_files, write_split

from training.data.data_set import open_split, open_splits
from training.data.table import ParquetTable
from zoo.errors import DataError

IMAGES = [coloured(number) for number in range(4)]
TEXT, NUMBER = datasets.Value("string"), datasets.Value("int64")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """`hub(train=rows, ...)`: what every id on the Hub then means; a list to which ids that are asked for are added."""

    def set_up(**splits: datasets.Dataset) -> list[str]:
        asked: list[str] = []

        def load_dataset(name: str, configuration: str | None) -> datasets.DatasetDict:
            asked.append(name if configuration is None else f"{name}, {configuration}")
            return datasets.DatasetDict(splits)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        monkeypatch.setattr(HfApi, "dataset_info", lambda self, name, timeout: None)
        return asked

    return set_up


def test_rows_are_files(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "train", make_rows(IMAGES))
    table = ParquetTable.find(folder)
    assert table is not None
    files, labels = table.open("train")
    assert len(files) == 4
    assert [files.read(index) for index in range(4)] == IMAGES
    assert files.where(3) == f"{folder}, train row 3"
    assert labels.tolist() == [0, 1, 0, 1]
    assert table.classes == ("no", "yes")
    copy = pickle.loads(pickle.dumps(files))
    assert copy.read(2) == IMAGES[2]


def test_a_row_may_name_a_file(tmp_path: Path, hub: Callable[..., list[str]]) -> None:
    write_files(tmp_path, {"images/1.png": IMAGES[0]})
    column = (datasets.Image(), [str(tmp_path / "images/1.png"), str(tmp_path / "lost.png")])
    # As `datasets` keeps images that it found as files; `to_parquet` would take their bytes along.
    hub(train=make_rows(IMAGES[:2], image=column))
    files = open_splits("some/data").train.files
    assert files.read(0) == IMAGES[0]
    with pytest.raises(FileNotFoundError):
        files.read(1)


def test_images_without_metadata_are_found_by_their_bytes(tmp_path: Path) -> None:
    table = pyarrow.table({"image": [{"bytes": IMAGES[0]}, {"bytes": None}], "label": ["a", "b"]})
    pyarrow.parquet.write_table(table, tmp_path / "train-0.parquet")
    split = open_split(str(tmp_path), "train")
    assert split.files.read(0) == IMAGES[0]
    with pytest.raises(DataError, match="row 1: it has neither bytes nor a path"):
        split.image(1)


def test_of_two_label_columns_the_finer_one_counts(tmp_path: Path) -> None:
    fine = datasets.ClassLabel(names=["cat", "dog", "ship"])
    split = open_split(write_split(tmp_path, "train", make_rows(IMAGES[:3], fine_label=(fine, [2, 0, 1]))), "train")
    assert split.classes == ("cat", "dog", "ship")
    assert split.labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("column", "classes", "labels"),
    [
        ({"label": (TEXT, ["dog", "cat", "dog", "ant"])}, ("ant", "cat", "dog"), [2, 1, 2, 0]),
        ({"label": (NUMBER, [10, 9, 10, 1])}, ("1", "9", "10"), [2, 1, 2, 0]),
        ({"label": None, "category": (TEXT, ["b", "a", "a", "a"])}, ("a", "b"), [1, 0, 0, 0]),
        ({"label": (TEXT, ["x"] * 4), "fine_label": (TEXT, ["b", "a", "a", "a"])}, ("a", "b"), [1, 0, 0, 0]),
    ],
)
def test_texts_and_numbers_are_classes_in_their_order(
    column: dict[str, Any], classes: tuple[str, ...], labels: list[int], tmp_path: Path
) -> None:
    split = open_split(write_split(tmp_path, "train", make_rows(IMAGES, **column)), "train")
    assert split.classes == classes
    assert split.labels.tolist() == labels


def test_a_test_split_has_the_classes_of_train(tmp_path: Path) -> None:
    write_split(tmp_path, "train", make_rows(IMAGES[:3], label=(TEXT, ["a", "b", "c"])))
    write_split(tmp_path, "test", make_rows(IMAGES[:2], label=(TEXT, ["c", "a"])))
    split = open_split(str(tmp_path), "test")
    assert split.classes == ("a", "b", "c")
    assert split.labels.tolist() == [2, 0]


def test_classes_that_are_numbered_otherwise_are_matched_by_name(tmp_path: Path) -> None:
    write_split(tmp_path, "train", make_rows(IMAGES, names=("no", "yes")))
    write_split(tmp_path, "test", make_rows(IMAGES, names=("yes", "no")))
    split = open_split(str(tmp_path), "test")
    assert split.classes == ("no", "yes")
    assert split.labels.tolist() == [1, 0, 1, 0]


def test_a_test_split_with_other_classes(tmp_path: Path) -> None:
    write_split(tmp_path, "train", make_rows(IMAGES[:3], label=(TEXT, ["a", "b", "c"])))
    write_split(tmp_path, "test", make_rows(IMAGES[:2], label=(TEXT, ["d", "a"])))
    with pytest.raises(DataError, match="labels in test that are not in train: d; "):
        open_splits(str(tmp_path))


@pytest.mark.parametrize("hidden", [{"label": (NUMBER, [-1, -1])}, {"label": (NUMBER, [None, None])}])
def test_a_test_split_whose_labels_are_secret_is_none(hidden: dict[str, Any], tmp_path: Path) -> None:
    write_split(tmp_path, "train", make_rows(IMAGES, label=(NUMBER, [0, 1, 2, 0])))
    write_split(tmp_path, "test", make_rows(IMAGES[:2], **hidden))
    splits = open_splits(str(tmp_path))
    assert splits.test is None
    assert splits.notes == (f"the test split of {tmp_path} has no labels, and is not used",)
    write_split(tmp_path, "validation", make_rows(IMAGES[:3], label=(NUMBER, [2, 2, 2])))
    validation = open_splits(str(tmp_path)).validation
    assert validation is not None
    assert validation.labels.tolist() == [2, 2, 2]


def test_images_without_a_label(tmp_path: Path) -> None:
    classes = datasets.ClassLabel(names=["a", "b"])
    write_split(tmp_path, "train", make_rows(IMAGES, label=(classes, [0, None, 1, -1])))
    with pytest.raises(DataError, match=r"2 of 4 images in the train split of .* have no label"):
        open_splits(str(tmp_path))


def test_an_empty_split(hub: Callable[..., list[str]]) -> None:
    hub(train=make_rows([]))
    with pytest.raises(DataError, match="the train split of some/data is empty"):
        open_splits("some/data")


@pytest.mark.parametrize("kind", ["Image", "ClassLabel"])
def test_a_data_set_without_images_or_labels(kind: str, tmp_path: Path) -> None:
    column = {"Image": "image", "ClassLabel": "label"}[kind]
    rows = make_rows(IMAGES[:1], text=(TEXT, ["a cat"]), **{column: None})
    with pytest.raises(DataError, match=f"has no {kind} column.*; its columns are .*text"):
        open_splits(write_split(tmp_path, "train", rows))


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"not Parquet")
    with pytest.raises(DataError, match="cannot load the train split of"):
        open_splits(str(tmp_path))


def test_a_data_set_of_the_hub(hub: Callable[..., list[str]]) -> None:
    asked = hub(train=make_rows(IMAGES), valid=make_rows(IMAGES[:2]))
    splits = open_splits("cifar100")
    assert asked == ["uoft-cs/cifar100"]
    assert len(splits.train) == 4
    assert splits.test is None
    assert splits.validation is not None
    assert splits.validation.files.where(1) == "cifar100, validation row 1"
    open_splits("some/data")
    assert asked[-1] == "some/data"
    open_splits("some/data:large")
    assert asked[-1] == "some/data, large"


def test_no_split_of_a_data_set_is_dropped_without_a_word(hub: Callable[..., list[str]]) -> None:
    """Nor taken for another: of several names of one split none is preferred."""
    hub(train=make_rows(IMAGES), valid=make_rows(IMAGES[:2]), dev=make_rows(IMAGES[:3]), extra=make_rows([]))
    splits = open_splits("some/data")
    assert splits.validation is None
    assert splits.notes == ("splits of some/data that are not used: valid, dev, extra",)


def test_hidden_tables_are_not_read(tmp_path: Path) -> None:
    write_split(tmp_path, "train", make_rows(IMAGES))
    for left in ("__MACOSX/train-0.parquet", ".cache/train-1.parquet", "._train-00000-of-00001.parquet"):
        (tmp_path / left).parent.mkdir(exist_ok=True)
        (tmp_path / left).write_bytes(b"no table")
    assert len(open_splits(str(tmp_path)).train) == len(IMAGES)


def test_class_names_are_composed(tmp_path: Path) -> None:
    """So that tables written on macOS and elsewhere have the same classes."""
    write_split(tmp_path, "train", make_rows(IMAGES[:2], label=(TEXT, ["Ve\u0301lo", "bus"])))
    write_split(tmp_path, "test", make_rows(IMAGES[:2], label=(TEXT, ["bus", "V\u00e9lo"])))
    splits = open_splits(str(tmp_path))
    assert splits.train.classes == ("V\u00e9lo", "bus")
    assert splits.test is not None
    assert splits.test.labels.tolist() == [1, 0]


def test_a_data_set_that_cannot_be_fetched() -> None:
    with pytest.raises(DataError, match=r"^cannot load 'cifar100'.*Give a folder of class folders"):
        open_splits("cifar100")
    with pytest.raises(DataError, match=r"^there is no folder 'photos', and cannot load 'photos' from the Hub: "):
        open_splits("photos")
