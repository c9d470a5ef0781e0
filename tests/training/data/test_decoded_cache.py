import errno
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from huggingface_hub import constants
from support.images import coloured, write_files

from training.data import decoded_cache, prepare
from training.data.data_set import EncodedImages, open_splits
from training.data.images import LabelledImages

Damage = Callable[[Path], object]


@pytest.fixture
def encoded(cifar: Path) -> EncodedImages:
    return open_splits(str(cifar)).train.select(range(20))


@pytest.fixture
def never_decode(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Calling it makes decoding fail from then on."""

    def fail(*arguments: object) -> NoReturn:
        pytest.fail("images were decoded")

    return lambda: monkeypatch.setattr(prepare, "decode_all", fail)


def held(encoded: EncodedImages, size: int = 32) -> LabelledImages:
    images = prepare.prepare(encoded, size).images
    assert isinstance(images, LabelledImages)
    return images


def assert_same(one: LabelledImages, other: LabelledImages) -> None:
    assert one.digest() == other.digest()
    assert torch.equal(one.images, other.images)


def test_images_are_decoded_once(encoded: EncodedImages, never_decode: Callable[[], None]) -> None:
    decoded, smaller = held(encoded), held(encoded, 24)
    never_decode()
    done: list[int] = []
    again = prepare.prepare(encoded, 32, progress=done.append)
    assert isinstance(again.images, LabelledImages)
    assert_same(again.images, decoded)
    assert_same(held(encoded, 24), smaller)
    assert again.unreadable == ()
    assert done == [20]


def test_cached_images_can_be_changed_without_changing_the_cache(encoded: EncodedImages) -> None:
    decoded = held(encoded)
    held(encoded).images.zero_()
    assert_same(held(encoded), decoded)


def test_a_changed_image_is_decoded(tmp_path: Path) -> None:
    """Though its file has the same name and size."""
    length = max(len(coloured(1)), len(coloured(2)))
    pixels = []
    for data in (coloured(1), coloured(2)):
        encoded = open_splits(write_files(tmp_path, {"a/1": data.ljust(length, b"\0"), "b/1": coloured(3)})).train
        pixels.append(held(encoded).images[0])
    assert not torch.equal(*pixels)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"text"),
        lambda file: os.truncate(file, file.stat().st_size - 1),
        lambda file: os.truncate(file, 1000),
        lambda file: file.write_bytes(file.read_bytes()[:-5000] + b"x" + file.read_bytes()[-4999:]),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_damaged_file_is_ignored(damage: Damage, encoded: EncodedImages, decoded_folder: Path) -> None:
    decoded = held(encoded)
    (file,) = decoded_folder.iterdir()
    whole = file.read_bytes()
    damage(file)
    assert_same(held(encoded), decoded)
    if file.is_file():
        assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_does_no_harm(
    encoded: EncodedImages, decoded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    decoded = held(encoded, 24)
    with monkeypatch.context() as patch:
        patch.setattr(decoded_cache.np, "save", fail)
        held(encoded)
    assert len(list(decoded_folder.iterdir())) == 1
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(next(decoded_folder.iterdir())))
    assert_same(held(encoded, 24), decoded)


def test_the_last_space_of_a_disk_is_left(
    encoded: EncodedImages, decoded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 20 * 3 * 32 * 32
    total, used, _ = shutil.disk_usage("/")
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(total, used, 2 * needed - 1))
    held(encoded)
    assert not list(decoded_folder.iterdir())


def test_unreadable_images_are_reported_again(tmp_path: Path, decoded_folder: Path) -> None:
    encoded = open_splits(write_files(tmp_path, {"a/1": coloured(1), "a/2": b"text", "b/1": coloured(2)})).train
    for _ in range(2):
        assert len(prepare.prepare(encoded, 32).unreadable) == 1
    assert not list(decoded_folder.iterdir())


def test_what_was_not_used_for_longest_is_deleted(
    encoded: EncodedImages, decoded_folder: Path, never_decode: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_cache, "MAX_CACHE_BYTES", 3 * 32 * 32 * 25)
    for count in (5, 10):
        held(encoded.select(range(count)))
    for file in decoded_folder.iterdir():
        os.utime(file, (0, 0))
    held(encoded.select(range(5)))
    held(encoded.select(range(15)))  # takes the place of the 10
    never_decode()
    held(encoded.select(range(5)))
    held(encoded.select(range(15)))
    assert len(list(decoded_folder.iterdir())) == 2


def test_images_above_the_limit_are_not_cached(
    encoded: EncodedImages, decoded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_cache, "MAX_CACHE_BYTES", 20 * 3 * 32 * 32 - 1)
    held(encoded)
    assert not decoded_folder.exists()


def test_runs_that_decode_at_the_same_time(encoded: EncodedImages, decoded_folder: Path) -> None:
    with ThreadPoolExecutor(4) as runs:
        first, *others = runs.map(held, [encoded] * 4)
    for one in others:
        assert_same(one, first)
    assert len(list(decoded_folder.iterdir())) == 1
