import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.indices import write_images

from zoo.errors import ImageIndexError, InputError
from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.package import ModelConfig
from zoo.search.image_index import (
    HEADER_FILE,
    LABELS_FILE,
    NAMES_FILE,
    OFFSETS_FILE,
    THUMBNAILS_FILE,
    VECTORS_FILE,
    ImageIndex,
)
from zoo.search.write import writing_index

CONFIG = ModelConfig("wrn16-ours", "cifar10", ("cat", "dog"), 32, CIFAR10_NORMALIZATION, "ab" * 32)
VECTORS = np.random.default_rng(0).standard_normal((11, 6)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_images(tmp_path / "index", VECTORS, labels=[0, 1, -1] * 3 + [0, 1]).folder


def test_what_was_written_is_read(folder: Path) -> None:
    index = ImageIndex.open(folder, CONFIG, "images")
    assert len(index) == 11
    expected = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    np.testing.assert_allclose(index.vectors, expected, rtol=1e-5)
    assert isinstance(index.vectors, np.memmap)
    assert index.names[10] == "photos/10.png"
    assert [index.label(image) for image in range(3)] == ["cat", "dog", None]
    for image in (0, 7):
        assert index.small(image).size == (32, 32)
        assert abs(np.asarray(index.small(image)).astype(int) - image).max() <= 2


def test_the_head_of_many_images_is_as_long_as_that_of_none(tmp_path: Path) -> None:
    many = np.ones((1234, 3), np.float32)
    assert write_images(tmp_path / "index", many).vectors.shape == (1234, 3)


def truncate(folder: Path, name: str) -> None:
    os.truncate(folder / name, (folder / name).stat().st_size - 8)


FILES = (VECTORS_FILE, LABELS_FILE, NAMES_FILE, OFFSETS_FILE, THUMBNAILS_FILE)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", [truncate, lambda folder, file: (folder / file).unlink()], ids=["cut", "missing"])
def test_a_file_that_is_cut_or_missing(file: str, damage: Callable[[Path, str], None], folder: Path) -> None:
    damage(folder, file)
    with pytest.raises(ImageIndexError, match=r"is damaged \(.*\); make it again with `zoo index`"):
        ImageIndex.open(folder)


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_another_index(file: str, folder: Path, tmp_path: Path) -> None:
    other = write_images(tmp_path / "other", VECTORS[:7]).folder
    (other / file).replace(folder / file)
    with pytest.raises(ImageIndexError, match=f"is damaged .{file} does not fit index.json, which has 11 images"):
        ImageIndex.open(folder)


def test_vectors_of_another_kind(folder: Path) -> None:
    np.save(folder / VECTORS_FILE, VECTORS.astype(np.float64))
    with pytest.raises(ImageIndexError, match=r"vectors.npy does not fit"):
        ImageIndex.open(folder)


def test_an_index_of_another_model(folder: Path) -> None:
    other = replace(CONFIG, weights_sha256="cd" * 32)
    with pytest.raises(
        ImageIndexError, match=r"an index of another model: of wrn16-ours.cifar10 .*abab.*not of .*cdcd"
    ):
        ImageIndex.open(folder, other)


def test_an_index_of_another_version(folder: Path) -> None:
    header = json.loads((folder / HEADER_FILE).read_text())
    (folder / HEADER_FILE).write_text(json.dumps(header | {"format_version": 2, "more": 1}))
    with pytest.raises(ImageIndexError, match=r"is an index of format version 2; .* reads 1: make it again"):
        ImageIndex.open(folder)


def test_an_index_of_another_kind(folder: Path) -> None:
    with pytest.raises(ImageIndexError, match=r"is an index of images, not of patches; `zoo index --patches`"):
        ImageIndex.open(folder, CONFIG, "patches")


@pytest.mark.parametrize("content", ["{", "[]", '{"format_version": 1}', None])
def test_what_is_no_index(content: str | None, folder: Path) -> None:
    if content is None:
        (folder / HEADER_FILE).unlink()
    else:
        (folder / HEADER_FILE).write_text(content)
    with pytest.raises(ImageIndexError, match=r"is no index in|is not an index|is an index of format version None"):
        ImageIndex.open(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_no_numbers_leave_the_older_index(value: float, folder: Path) -> None:
    bad = VECTORS[:5].copy()
    bad[3, 2] = value
    with pytest.raises(InputError, match=r"photos/03.png: vector 0 has numbers that are infinite or not a number"):
        write_images(folder, bad)
    assert len(ImageIndex.open(folder)) == 11
    assert [each.name for each in folder.parent.iterdir()] == ["index"]


def test_an_older_index_is_replaced_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    assert len(write_images(folder, VECTORS[:2])) == 2
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("a")
    with pytest.raises(InputError, match="notes has other files than an index; choose another folder"):
        write_images(tmp_path / "notes", VECTORS)
    with pytest.raises(InputError, match=r"a.txt is a file; choose another folder"):
        write_images(tmp_path / "notes/a.txt", VECTORS)
    (tmp_path / "empty").mkdir()
    assert len(write_images(tmp_path / "empty", VECTORS)) == 11


@pytest.mark.parametrize("file", ["index.json", "embeddings.npy"])
def test_an_index_that_may_not_be_read_is_not_damaged(file: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder / file))

    if file == "index.json":
        monkeypatch.setattr(Path, "read_bytes", refuse)
    else:
        monkeypatch.setattr("zoo.search.image_index._load", refuse)
    with pytest.raises(ImageIndexError, match=f"^cannot read .*{file}: Permission denied; check the permissions"):
        ImageIndex.open(folder)


def test_no_image_is_no_index(folder: Path) -> None:
    header = ImageIndex.open(folder).header
    with pytest.raises(InputError, match="there is no image to index"), writing_index(folder.parent / "none", header):
        pass
    assert not (folder.parent / "none").exists()


def test_a_vector_of_another_shape(folder: Path) -> None:
    header = ImageIndex.open(folder).header
    with (
        pytest.raises(InputError, match=r"a.png: its vector has shape \[5\], expected \[6\]"),
        writing_index(folder, header) as writer,
    ):
        writer.add("a.png", np.ones(5, np.float32), b"")


def test_names_keep_their_bytes(tmp_path: Path) -> None:
    header = write_images(tmp_path / "index", VECTORS).header
    name = os.fsdecode(b"caf\xe9.png")
    with writing_index(tmp_path / "index", header) as writer:
        writer.add(name, VECTORS[0], b"thumbnail")
    assert ImageIndex.open(tmp_path / "index").names == (name,)
