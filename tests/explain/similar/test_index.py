from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.patches import CLASSES, labelled

from explain.similar.index import INDEX_FILE, PatchIndex
from zoo.errors import InputError
from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.package import ModelConfig

MakeIndex = Callable[..., PatchIndex]

CONFIG = ModelConfig("wrn16-ours", "tests", CLASSES, 32, CIFAR10_NORMALIZATION, "ab" * 32)
SHARES = np.random.default_rng(0).dirichlet(np.ones(5), (7, 2, 3)).astype(np.float32)


def test_what_was_written_is_read(make_index: MakeIndex) -> None:
    made = make_index(SHARES, [0, 1, 2, 3, 0, 1, 2])
    index = PatchIndex.open(made.folder, CONFIG, made.origin.data_digest)
    assert index.grid == (2, 3)
    assert len(index) == 7
    assert index.labels.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert index.pixels[4].min() == index.pixels[4].max() == 4
    [(start, shares)] = index.chunks()
    assert start == 0
    np.testing.assert_allclose(shares.reshape(SHARES.shape), SHARES, atol=1e-3)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-6)


def test_parts_are_the_whole(make_index: MakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.similar.index.CHUNK", 3)
    index = make_index(SHARES)
    parts = list(index.chunks())
    assert [start for start, _ in parts] == [0, 3, 6]
    assert sum(len(shares) for _, shares in parts) == 7


def test_an_index_of_other_weights_is_refused(make_index: MakeIndex) -> None:
    folder = make_index(SHARES).folder
    with pytest.raises(InputError, match=r"is stale: it was created from other weights .*abab.*cdcd.*remove .* --data"):
        PatchIndex.open(folder, replace(CONFIG, weights_sha256="cd" * 32))


def test_an_index_of_other_images_is_refused(make_index: MakeIndex) -> None:
    with pytest.raises(InputError, match="is stale: it was created from other images"):
        PatchIndex.open(make_index(SHARES).folder, CONFIG, "0123456789abcdef")


@pytest.mark.parametrize("damage", ["missing", "no JSON", "another form", "no shares"])
def test_what_is_no_index_is_refused(damage: str, make_index: MakeIndex) -> None:
    folder = make_index(SHARES).folder
    file = folder / INDEX_FILE
    if damage == "missing":
        file.unlink()
    elif damage == "no shares":
        (folder / "shares.npy").write_bytes(b"nothing")
    else:
        file.write_text("{" if damage == "no JSON" else '{"model": 1}')
    with pytest.raises(InputError, match="is not a patch index"):
        PatchIndex.open(folder, CONFIG)


def test_an_index_that_is_being_made_is_none(make_index: MakeIndex) -> None:
    made = make_index(SHARES)
    PatchIndex.create(made.folder, made.origin, labelled(*made.grid, [0] * 7), made.grid)
    assert not PatchIndex.exists(Path(made.folder))
