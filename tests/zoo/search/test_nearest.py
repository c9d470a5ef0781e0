import numpy as np
import pytest

from zoo.errors import ImageIndexError, InputError
from zoo.search import nearest as nearest_module
from zoo.search.nearest import nearest, unit

VECTORS = unit(np.random.default_rng(0).standard_normal((1000, 24)))
QUERIES = unit(np.random.default_rng(1).standard_normal((5, 24)))


@pytest.mark.parametrize("numbers", [2**24, 5 * 100])
def test_the_search_is_exact(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "PART_NUMBERS", numbers)
    found = nearest(VECTORS, QUERIES, 20)
    cosines = QUERIES.astype(np.float64) @ VECTORS.T.astype(np.float64)
    expected = np.argsort(-cosines, axis=1)[:, :20]
    np.testing.assert_array_equal(found.images, expected)
    np.testing.assert_allclose(found.cosines, np.take_along_axis(cosines, expected, axis=1), atol=1e-6)


def test_equal_images_come_in_their_order() -> None:
    found = nearest(np.concatenate([VECTORS[:3], VECTORS[:3], VECTORS[:3]]), VECTORS[1:2], 3)
    assert found.images.tolist() == [[1, 4, 7]]
    assert found.cosines[0].tolist() == pytest.approx([1, 1, 1])
    assert found.cosines.max() <= 1


def test_no_more_than_there_are_images() -> None:
    assert nearest(VECTORS[:7], QUERIES, 10).images.shape == (5, 7)


def test_vectors_of_any_length() -> None:
    scaled = VECTORS[:4] * np.array([1e-30, 1, 1e30, 0])[:, None]
    lengths = np.linalg.norm(unit(scaled), axis=1)
    assert lengths.tolist() == pytest.approx([1, 1, 1, 0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none(value: float) -> None:
    bad = VECTORS.copy()
    bad[700, 3] = value
    with pytest.raises(InputError, match="query 700 has numbers that are infinite or not a number"):
        unit(bad, "query")
    with pytest.raises(ImageIndexError, match="the vector of image 700 of the index has numbers"):
        nearest(bad, QUERIES, 3)
