from pathlib import Path

import pytest
from support.images import write_files

from zoo.images.image_files import has_images, is_image_name, listed, walk


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
