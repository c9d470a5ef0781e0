import numpy as np
import pytest

from explain.slack.separation import area_by_cell

GENERATOR = np.random.default_rng(0)


def by_hand(scores: np.ndarray, covered: np.ndarray, counts: np.ndarray) -> float:
    """Pair by pair within each cell."""
    won = pairs = 0.0
    for cell in np.ndindex(scores.shape[1:]):
        one, shows = scores[:, *cell], covered[:, *cell]
        for i in np.flatnonzero(~shows):
            for j in np.flatnonzero(shows):
                weight = counts[i] * counts[j]
                won += weight * ((one[i] > one[j]) + (one[i] == one[j]) / 2)
                pairs += weight
    return won / pairs


@pytest.mark.parametrize("levels", [3, 1000])
def test_the_area_is_the_share_of_ordered_pairs(levels: int) -> None:
    """With few levels there are ties; counts are those of a bootstrap resample."""
    scores = GENERATOR.integers(levels, size=(30, 2, 3)) / levels
    covered = GENERATOR.random((30, 2, 3)) < 0.4
    for counts in (np.ones(30), GENERATOR.integers(3, size=30).astype(float)):
        assert area_by_cell(scores, covered)(counts) == pytest.approx(by_hand(scores, covered, counts))


def test_a_score_of_the_place_alone_has_one_half() -> None:
    covered = GENERATOR.random((200, 4, 4)) < np.linspace(0.1, 0.9, 16).reshape(4, 4)
    place = np.broadcast_to(np.linspace(1, 0, 16).reshape(4, 4), covered.shape)
    assert area_by_cell(place, covered)(np.ones(200)) == 0.5


def test_perfect_and_reversed() -> None:
    covered = GENERATOR.random((50, 2, 2)) < 0.5
    assert area_by_cell((~covered).astype(float), covered)(np.ones(50)) == 1
    assert area_by_cell(covered.astype(float), covered)(np.ones(50)) == 0
