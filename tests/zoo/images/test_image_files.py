from pathlib import Path

import pytest
from support.images import write_files

from zoo.images.image_files import expand_folders, has_images, is_image_name, listed, walk


@pytest.mark.parametrize("name", ["1.jpg", "1.JPEG", "1.jfif", "1.webp", "1.tif", "photo.heic", "0a7f", "1.2.png"])
def test_images_by_their_names(name: str) -> None:
    assert is_image_name(name)


@pytest.mark.parametrize("name", ["notes.txt", "labels.csv", "train-0.parquet", "film.mp4", "1.png.part"])
def test_no_images_by_their_names(name: str) -> None:
    assert not is_image_name(name)


def test_folders_are_walked_once(tmp_path: Path) -> None:
    root = Path(write_files(tmp_path / "root", {"a/1.png": b"", "a/b/2.png": b"", "c/": b"", ".d/3.png": b""}))
    (root / "a" / "again").symlink_to(root / "a")
    (root / "a" / "above").symlink_to(tmp_path)
    (root / "linked").symlink_to(root / "a" / "b")
    images = [Path(path).name for listing in walk(str(root)) for path in listing.images.values()]
    assert images == ["1.png", "2.png"]
    assert has_images(str(root))
    assert not has_images(str(root / "c"))


def test_long_lists_are_cut() -> None:
    assert listed(map(str, range(22))).endswith("18, 19 and 2 more")


def test_names_in_a_message_are_escaped() -> None:
    assert listed(["a\x1b[2J", "\udcff", "Élan"]) == "a\\x1b[2J, \\xff, Élan"


def test_folders_among_files_become_their_images(tmp_path: Path) -> None:
    root = Path(write_files(tmp_path / "root", {"1.png": b"", "a/2.png": b"", "a/notes.txt": b"", "out/3.png": b""}))
    given = [root / "a" / "2.png", root, tmp_path / "missing.png"]
    found = expand_folders(given, root / "out")
    assert found == [root / "a" / "2.png", root / "1.png", tmp_path / "missing.png"]
    assert root / "out" / "3.png" in expand_folders([root], root), "the output folder itself is given"
    (tmp_path / "empty").mkdir()
    assert expand_folders([tmp_path / "empty"], root) == [tmp_path / "empty"]
