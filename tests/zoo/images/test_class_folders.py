import re
from pathlib import Path

import pytest
from support.images import coloured, write_files

from zoo.errors import DataError
from zoo.images.class_folders import open_class_folders, split_of
from zoo.images.labelled_files import LabelledFiles

IMAGE = coloured(1)
TWO_CLASSES = ("cat", "dog")


def opened(root: Path, *files: str) -> LabelledFiles:
    return open_class_folders(write_files(root, dict.fromkeys(files, IMAGE)))


def both(split: str) -> list[str]:
    return [f"{split}/{name}/1.png" for name in TWO_CLASSES]


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (("train", "Training", "TRAIN", "train_set", "train2017", "training data", "trn"), "train"),
        (("val", "valid", "Validation", "dev", "devset", "val_images", "development"), "validation"),
        (("test", "Testing", "eval", "evaluation", "test-set", "tst"), "test"),
        (("trains", "steam train", "value", "contest", "unlabelled", "cat", "train_7", "labels", ""), None),
    ],
)
def test_what_splits_are_called(names: tuple[str, ...], split: str | None) -> None:
    assert {name: split_of(name) for name in names} == dict.fromkeys(names, split)


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize(("other", "split"), [("val", "validation"), ("dev", "validation"), ("eval", "test")])
@pytest.mark.parametrize("third", ["labels/", "labels/1.txt", "raw/1.png", "raw/cat/1.png", "test/"])
def test_splits_beside_another_folder(train: str, other: str, split: str, third: str, tmp_path: Path) -> None:
    """Not a classifier of `train` against `val`."""
    found = opened(tmp_path, *both(train), *both(other), third)
    assert found.classes == TWO_CLASSES
    assert tuple(found.files) == ("train", split)
    beside, splits = third.partition("/")[0], ", ".join(sorted([train, other]))
    assert found.notes == (f"{splits} in {tmp_path} are the splits; other folders beside them are ignored: {beside}",)


def test_three_splits_and_what_lies_beside_them(tmp_path: Path) -> None:
    found = opened(tmp_path, *both("test"), *both("train"), *both("valid"), "README.md", "__MACOSX/train/cat/1.png")
    assert list(found.files) == ["train", "validation", "test"]
    assert found.notes == (f"files directly in {tmp_path} belong to no class and are ignored: README.md",)


def test_one_split_alone(tmp_path: Path) -> None:
    """It can be measured, not trained on."""
    found = opened(tmp_path, *both("test"), "labels/1.txt")
    assert list(found.files) == ["test"]
    assert found.classes == TWO_CLASSES


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ("dogs_train", "dogs_val"),
        ("images_train", "images_val"),
        ("ILSVRC2012_img_train", "ILSVRC2012_img_val"),
        ("train.v1", "val.v1"),
        ("train1", "val1"),
        ("train ", "val "),
        ("dogsTrain", "dogsValid"),
        ("train", "my val"),
        ("train/train", "val/val"),
        ("seg_train/seg_train", "seg_val/seg_val"),
        ("seg_train/train", "seg_val/val"),
    ],
)
def test_splits_with_decorated_names(train: str, validation: str, tmp_path: Path) -> None:
    files = [f"{split}/{name}/1.png" for split in (train, validation) for name in ("a", "b", "c", "d")]
    found = opened(tmp_path, *files, f"{train}/e/1.png")
    assert found.classes == ("a", "b", "c", "d", "e")
    assert {split: len(found.of(split)[0]) for split in found.files} == {"train": 5, "validation": 4}
    assert found.notes == ()


@pytest.mark.parametrize("doubled", [False, True])
def test_a_folder_beside_decorated_splits_is_left_out(doubled: bool, tmp_path: Path) -> None:
    """Intel Image Classification, as it is and as Kaggle unpacks it."""
    train, test, rest = (f"{name}/{name}" if doubled else name for name in ("seg_train", "seg_test", "seg_pred"))
    found = opened(tmp_path, *both(train), *both(test), f"{rest}/1.png")
    assert list(found.files) == ["train", "test"]
    assert found.classes == TWO_CLASSES
    assert found.notes == (
        f"seg_test, seg_train in {tmp_path} are the splits; other folders beside them are ignored: seg_pred",
    )


@pytest.mark.parametrize(
    "files",
    [
        ["steam train/1.png", "bullet train/1.png", "bus/1.png"],
        ["train/1.png", "train/steam/1.png", "bus/city/1.png", "car/1.png"],
        ["cat/images/1.png", "dog/images/1.png"],
        ["cat/persian/1.png", "cat/other/1.png", "dog/poodle/1.png", "dog/other/1.png"],
        ["cat/1.png", "cat/in/1.png", "cat/out/1.png", "dog/1.png", "dog/in/1.png", "dog/out/1.png"],
        ["train/cat/in/1.png", "train/cat/out/1.png", "train/dog/in/1.png", "train/dog/out/1.png"],
        ["train_val/1.png", "rest/1.png"],
    ],
)
def test_classes_stay_classes(files: list[str], tmp_path: Path) -> None:
    found = opened(tmp_path, *files)
    above = "train/" if files[0].startswith("train/cat") else ""
    assert set(found.classes) == {file.removeprefix(above).partition("/")[0] for file in files}
    assert list(found.files) == ["train"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            [*both("train"), "bus/1.png"],
            "{} is ambiguous: either train is a split, with bus beside it",
        ),
        (["train/1.png", "val/1.png"], "{}: train, val are named like splits"),
        (["train/1.png", "val/1.png", "bus/1.png"], "if they are classes, rename the folders named like splits"),
        (["train/1.png", "train/steam/1.png", "test/1.png", "bus/1.png"], "test, train are named like splits"),
        (
            [*both("fold1"), *both("fold2"), "fold2/fox/1.png", "raw/1.png"],
            "{} is ambiguous: fold1, fold2 have sub-folders of the same names, so either these are the classes (cat, "
            "dog, fox), or fold1, fold2 are. If they are splits, name them train, validation or test, or give one of "
            "them, such as {}/fold1",
        ),
        ([*both("amazon/images"), *both("webcam/images")], "amazon, webcam have sub-folders of the same names"),
        ([*both("dogs_train"), *both("dogs_extra")], "dogs_extra, dogs_train have sub-folders of the same names"),
        (
            ["dogs_train/1.png", "dogs_val/1.png", "fox/1.png"],
            "{} is ambiguous: dogs_train, dogs_val are either splits or classes. If they are splits, name them train, "
            "validation or test, and put the images of each class in a sub-folder, such as {}/train/CLASS/image.jpg",
        ),
        ([*both("img_train"), "img_val/1.png"], "img_train, img_val are either splits or classes"),
        (["train1/1.png", "train2/1.png"], "train1, train2 are either splits or classes"),
        ([*both("train1"), *both("train2")], "several folders for the train split: train1, train2; keep"),
        (["a/a_train/1.png", "a/a_test/1.png", "b/1.png"], "{}/a has sub-folders named like splits: a_test"),
        ([*both("val"), *both("valid"), *both("train")], "several folders for the validation split: val, valid"),
        (["train/1.png", *both("val")], "train has no class folders; put"),
        (
            ["cat/train/1.png", "cat/test/1.png", "dog/train/1.png", "dog/test/1.png"],
            "{}/cat has sub-folders named like splits: test, train. If they are splits, put them above the classes, "
            "such as {}/test/cat, or give {}/cat if the classes are in them",
        ),
        (["data/train/cat/1.png", "data/val/cat/1.png"], "give {}/data if the classes are in them"),
    ],
)
def test_where_it_is_not_clear_the_readings_are_named(files: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(message.replace("{}", str(tmp_path)))):
        opened(tmp_path, *files)


@pytest.mark.parametrize(
    "files",
    [
        ["train/1.png", "val/1.png"],
        ["dogs_train/1.png", "dogs_val/1.png"],
        [*both("fold1"), *both("fold2")],
        [*both("train1"), *both("val1")],
    ],
)
def test_class_folders_are_said_to_be_classes_by_a_train_folder_above(files: list[str], tmp_path: Path) -> None:
    """As the messages advise."""
    found = opened(tmp_path, *(f"train/{file}" for file in files))
    assert list(found.classes) == sorted({file.partition("/")[0] for file in files})


def test_class_names_are_the_same_in_each_form_of_unicode(tmp_path: Path) -> None:
    found = opened(
        tmp_path, "train/bird/1.png", "train/Ve\u0301lo/1.png", "train/V\u00e9lo/2.png", "val/V\u00e9lo/1.png"
    )
    assert found.classes == ("V\u00e9lo", "bird")
    paths, labels = found.of("train")
    assert [Path(path).name for path in paths] == ["1.png", "2.png", "1.png"]
    assert labels == (0, 0, 1)
    assert found.of("validation")[1] == (0,)
