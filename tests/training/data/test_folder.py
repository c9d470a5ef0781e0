import errno
import os
from pathlib import Path

import pytest
from support.images import coloured, write_files

from training.data import folder
from training.data.data_set import open_split, open_splits
from training.data.folder import FolderSource, open_folder
from zoo.errors import DataError, ImageError, ImageTooLargeError

IMAGE = coloured(1)


def contents(source: FolderSource, split: str, root: Path) -> dict[str, int]:
    """Relative paths and labels, in order."""
    files, labels = source.open(split)
    names = [str(Path(files.where(index)).relative_to(root)) for index in range(len(files))]
    return dict(zip(names, labels.tolist(), strict=True))


def test_a_folder_is_a_class_at_any_depth_and_in_the_order_of_names(tmp_path: Path) -> None:
    names = ["dog/2.png", "dog/10.png", "cat/z/1.png", "cat/z/y/0.png", "cat/1.jpg", "cat-like/1.png", "Élan vital/1"]
    source = open_folder(write_files(tmp_path, dict.fromkeys(names, IMAGE)))
    assert source.classes == ("cat", "cat-like", "dog", "Élan vital")
    assert source.notes == ()
    assert list(contents(source, "train", tmp_path).items()) == [
        ("cat/1.jpg", 0),
        ("cat/z/1.png", 0),
        ("cat/z/y/0.png", 0),
        ("cat-like/1.png", 1),
        ("dog/10.png", 2),
        ("dog/2.png", 2),
        ("Élan vital/1", 3),
    ]


def test_what_systems_leave_is_ignored_and_what_is_no_image_is_noted(tmp_path: Path) -> None:
    left = [".DS_Store", "a/.hidden.png", "a/Thumbs.db", "b/desktop.ini", "__MACOSX/a/1.png", ".git/x", "a/.x/1.png"]
    left += ["a/@eaDir/1.png", "a/._1.png", "lost+found/1.png"]
    others = ["a/notes.txt", "b/deep/film.mp4"]
    kept = ["a/1.png", "a/2.JFIF", "b/1.tiff", "b/a0c9"]
    source = open_folder(write_files(tmp_path, dict.fromkeys(left + others + kept, IMAGE)))
    assert list(contents(source, "train", tmp_path)) == kept
    assert source.notes == (
        f"files in {tmp_path} without the suffix of an image are ignored: a/notes.txt, b/deep/film.mp4",
    )


def test_files_beside_the_class_folders_and_empty_classes_are_noted(tmp_path: Path) -> None:
    files = {"a/1": IMAGE, "b/1": IMAGE, "readme.txt": b"", "labels.csv": b"", "empty/": b"", "hollow/.x": b""}
    source = open_folder(write_files(tmp_path, files))
    assert source.classes == ("a", "b")
    assert source.notes == (
        f"files directly in {tmp_path} belong to no class and are ignored: labels.csv, readme.txt",
        f"class folders without images in {tmp_path} are ignored: empty, hollow",
    )
    assert open_splits(str(tmp_path)).notes == source.notes


@pytest.mark.parametrize(
    ("train", "test", "name"),
    [("train", "test", "test"), ("train", "val", "validation"), ("Training", "Testing", "test")],
)
def test_splits_above_the_classes(train: str, test: str, name: str, tmp_path: Path) -> None:
    files = [f"{train}/a/1", f"{train}/b/1", f"{train}/c/1", f"{test}/c/1", f"{test}/b/2"]
    source = open_folder(write_files(tmp_path, dict.fromkeys(files, IMAGE)))
    assert source.splits == ("train", name)
    assert source.classes == ("a", "b", "c")
    assert contents(source, "train", tmp_path) == {f"{train}/a/1": 0, f"{train}/b/1": 1, f"{train}/c/1": 2}
    assert contents(source, name, tmp_path) == {f"{test}/b/2": 1, f"{test}/c/1": 2}
    assert len(open_split(str(tmp_path), test)) == 2


def test_train_alone_may_lie_above_the_classes(tmp_path: Path) -> None:
    source = open_folder(write_files(tmp_path, {"train/a/1": IMAGE, "train/b/1": IMAGE, "train/list.csv": b""}))
    assert source.splits == ("train",)
    assert source.classes == ("a", "b")
    assert source.notes == (f"files directly in {tmp_path}/train belong to no class and are ignored: list.csv",)


def test_a_test_folder_without_classes_is_no_split(tmp_path: Path) -> None:
    """As a competition gives it: its labels are secret."""
    files = ["train/a/1", "train/b/1", "test/1", "test/2"]
    source = open_folder(write_files(tmp_path, dict.fromkeys(files, IMAGE)))
    assert source.splits == ("train",)
    assert source.notes == (f"files directly in {tmp_path}/test belong to no class and are ignored: 1, 2",)
    assert open_splits(str(tmp_path)).test is None


@pytest.mark.parametrize("above", ["", "train/"])
def test_a_class_may_be_called_train(above: str, tmp_path: Path) -> None:
    source = open_folder(write_files(tmp_path, {above + name: IMAGE for name in ("train/1", "train/steam/2", "bus/1")}))
    assert source.splits == ("train",)
    assert contents(source, "train", tmp_path / above) == {"bus/1": 0, "train/1": 1, "train/steam/2": 1}
    assert source.notes == ()


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    root = Path(write_files(tmp_path / "root", {"a/1": IMAGE, "b/1": IMAGE, "b/inner/2": IMAGE}))
    write_files(tmp_path / "elsewhere", {"3": IMAGE})
    (root / "a" / "file").symlink_to(root / "b" / "1")
    (root / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "again").symlink_to(root / "a")
    (root / "a" / "above").symlink_to(tmp_path)
    (root / "a" / "root").symlink_to(root)
    (root / "b" / "inner" / "up").symlink_to(root / "b")
    (root / "b" / "itself").symlink_to(root / "b" / "itself")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    source = open_folder(str(root))
    assert contents(source, "train", root) == {
        "a/1": 0,
        "a/file": 0,
        "a/linked/3": 0,
        "b/1": 1,
        "b/inner/2": 1,
        "b/itself": 1,
        "c/3": 2,
    }
    files, _ = source.open("train")
    assert files.read(1) == IMAGE
    with pytest.raises(OSError, match="symbolic links"):
        files.read(5)


def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    write_files(tmp_path / "real", {"a/1": IMAGE, "b/1": IMAGE})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_folder(str(tmp_path / "link")).classes == ("a", "b")


def test_pipes_and_films_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_files(tmp_path, {"a/film": b"x" * 1000, "b/1": IMAGE})
    os.mkfifo(tmp_path / "a" / "pipe")
    monkeypatch.setattr(folder, "MAX_BYTES", 999)
    files, _ = open_folder(root).open("train")
    with pytest.raises(ImageTooLargeError, match="1000 bytes, above the limit of 999"):
        files.read(0)
    with pytest.raises(ImageError, match="not a regular file"):
        files.read(1)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["1.png", "2.png"],
            r"has no class folders with images.*CLASS/image.jpg, or write .* to a table \(path,label\)",
        ),
        (["1.png", "labels.csv"], "has no class folders with images.*CLASS/image.jpg, or give .*/labels.csv if it has"),
        (["a/1", "labels.csv"], "add a class folder, or give .*/labels.csv if it has the labels$"),
        ([], "has no class folders with images"),
        (["a/", "b/"], "has no class folders with images"),
        (["a/1", "b/"], r"one class, a \(b: no images\); a classifier needs 2: add a class folder$"),
        (["a/1", "1.png", "2.png"], "only one class, a, beside 2 images without a class folder; a classifier needs 2"),
        (["a/1"], "has only one class, a; a classifier needs 2: add a class folder$"),
        (["flowers/rose/1", "flowers/tulip/1"], "only one class, flowers.*or give .*/flowers if the classes are"),
        (["train/a/1"], "train has only one class, a"),
        (["train/1", "test/a/1"], "train has no class folders; put"),
        (["train/a/1", "train/b/1", "Train/a/1"], "several folders for the train split: Train, train; keep"),
        (
            ["train/a/1", "train/b/1", "test/a/1", "test/c/1"],
            "test has class folders that are missing in .*train: c; add",
        ),
    ],
)
def test_folders_that_are_no_data_set(files: list[str], message: str, tmp_path: Path) -> None:
    tmp_path.joinpath("data").mkdir()
    with pytest.raises(DataError, match=message):
        open_folder(write_files(tmp_path / "data", dict.fromkeys(files, IMAGE)))


def test_names_in_no_encoding(tmp_path: Path) -> None:
    write_files(tmp_path, {"a/1": IMAGE, "b/1": IMAGE})
    try:
        Path(os.fsdecode(bytes(tmp_path / "a") + b"/\xff.png")).write_bytes(b"")
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    files, _ = open_folder(str(tmp_path)).open("train")
    assert any(files.where(index).endswith("/\\xff.png") for index in range(3))
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).mkdir()
    with pytest.raises(DataError, match=r"class folder '.*/\\xff' is not UTF-8; rename it"):
        open_folder(str(tmp_path))


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=f"cannot read the folder {tmp_path}: Permission denied; check the permissions"):
        open_folder(str(tmp_path))
