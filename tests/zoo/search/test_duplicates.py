import numpy as np
import pytest

from zoo.errors import ImageIndexError
from zoo.search import duplicates as duplicates_module
from zoo.search.duplicates import find_duplicates
from zoo.search.nearest import unit

NOISE = np.random.default_rng(0)
VECTORS = unit(NOISE.standard_normal((60, 16)))


def slow(threshold: float) -> list[list[int]]:
    """Components of all pairs, found one by one."""
    alike, left, groups = threshold <= VECTORS @ VECTORS.T, set(range(60)), []
    while left:
        group, border = set(), {min(left)}
        while border:
            group |= border
            border = {int(other) for one in border for other in np.flatnonzero(alike[one])} - group
        left -= group
        groups.append(sorted(group))
    return sorted((group for group in groups if len(group) > 1), key=lambda group: (-len(group), group))


@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.5, 0.6, 0.7, 1.0])
@pytest.mark.parametrize("block", [1024, 7])
def test_groups_are_the_components(threshold: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates_module, "BLOCK", block)
    done: list[int] = []
    found = find_duplicates(VECTORS, threshold, done.append)
    assert [list(group.images) for group in found] == slow(threshold)
    assert done[-1] == 60
    products = VECTORS @ VECTORS.T - 2 * np.eye(60)
    for group in found:
        assert group.cosines == pytest.approx(products[list(group.images)].max(axis=1), abs=1e-5)


def test_groups_that_overlap_are_one_and_the_largest_comes_first() -> None:
    turned = [[np.cos(angle), np.sin(angle)] for angle in (0, 3.0, 0.1, 0.2, 3.01, 1.5)]
    found = find_duplicates(unit(np.array(turned)), 0.99)
    assert [group.images for group in found] == [(0, 2, 3), (1, 4)]


def test_a_vector_that_is_none_is_named() -> None:
    bad = VECTORS.copy()
    bad[41] = np.nan
    with pytest.raises(ImageIndexError, match="the vector of image 41 of the index"):
        find_duplicates(bad, 0.9)
