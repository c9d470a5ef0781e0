import threading
from pathlib import Path

import numpy as np
import pytest
from support.images import coloured, write_files

from training.data import decode_all as module
from training.data.data_set import EncodedImages, open_splits
from training.data.decode_all import BLOCK, decode_all
from zoo.errors import DataError


def images(tmp_path: Path, count: int) -> EncodedImages:
    files = {f"{'ab'[number % 2]}/{number:03}.png": coloured(number) for number in range(count)}
    return open_splits(write_files(tmp_path, files)).train


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [2, BLOCK, 5 * BLOCK + 1])
def test_images_come_in_order(threads: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: threads)
    source = images(tmp_path, count)
    made = list(decode_all(source, 8))
    assert len(made) == count
    for index, pixels in enumerate(made):
        np.testing.assert_array_equal(pixels, source.pixels(index, 8))


def test_what_cannot_be_decoded_is_an_error_in_its_place(tmp_path: Path) -> None:
    source = images(tmp_path, 40)
    for index in (0, 20, 39):
        Path(source.files.where(index)).write_bytes(b"text")
    failed = {index: error for index, error in enumerate(decode_all(source, 8)) if isinstance(error, DataError)}
    assert list(failed) == [0, 20, 39]
    assert str(failed[20]).startswith(source.files.where(20))


def test_few_images_are_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 1)
    source, read = images(tmp_path, 10 * BLOCK), []
    counted = EncodedImages(Counting(source, read), source.labels, source.classes)
    made = decode_all(counted, 8)
    next(made)
    made.close()
    assert len(read) <= 4 * BLOCK
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


class Counting:
    """Files that say which ones were read."""

    def __init__(self, images: EncodedImages, read: list[int]) -> None:
        self._files, self._read = images.files, read

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> bytes:
        self._read.append(index)
        return self._files.read(index)

    def entry(self, index: int) -> tuple[str, int]:
        return self._files.entry(index)

    def where(self, index: int) -> str:
        return self._files.where(index)
