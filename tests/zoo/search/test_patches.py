from collections.abc import Callable

import numpy as np
import pytest
from support.patches import write_index

from zoo.errors import InputError
from zoo.search import nearest as nearest_module
from zoo.search.image_index import ImageIndex
from zoo.search.patches import check_place, nearest_patches, require_block

MakeIndex = Callable[..., ImageIndex]

SHARES = np.random.default_rng(0).dirichlet(np.full(5, 0.4), (40, 3, 3)).astype(np.float32)
QUERIES = np.random.default_rng(1).dirichlet(np.ones(5), 2).astype(np.float32)


@pytest.fixture
def make_index(tmp_path: str) -> MakeIndex:
    return lambda shares: write_index(tmp_path / "index", shares)


def test_the_search_is_exact(make_index: MakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "PART_NUMBERS", 7 * 9 * 5)
    index = make_index(SHARES)
    stored = index.vectors.astype(np.float64) ** 2
    stored /= stored.sum(axis=-1, keepdims=True)
    for query, matches in zip(QUERIES.astype(np.float64), nearest_patches(index, QUERIES, 10), strict=True):
        distances = np.sqrt(((np.sqrt(stored) - np.sqrt(query / query.sum())) ** 2).sum(axis=-1) / 2)
        of_image = np.sort(distances.reshape(40, -1).min(axis=1))
        assert [match.distance for match in matches] == pytest.approx(of_image[:10], abs=1e-3)
        for match in matches:
            assert match.distance == pytest.approx(distances[match.image, match.row, match.column], abs=1e-3)
        assert len({match.image for match in matches}) == 10


def test_no_more_than_there_are_images(make_index: MakeIndex) -> None:
    [matches, _] = nearest_patches(make_index(SHARES[:4]), QUERIES, 10)
    assert len(matches) == 4


def test_a_patch_is_nearest_to_itself(make_index: MakeIndex) -> None:
    [[first]] = nearest_patches(make_index(SHARES), SHARES[17, 2, 1][None], 1)
    assert first[:3] == (17, 2, 1)
    assert first.distance < 0.03


def test_what_has_no_patches_is_refused() -> None:
    with pytest.raises(InputError, match="wrn16 has no semantic block"):
        require_block("wrn16")
    with pytest.raises(InputError, match=r"--patch 8,0: outside the grid of 8 rows and 8 columns; .* to 7,7"):
        check_place((8, 0), (8, 8))
