from pathlib import Path

import numpy as np
import pytest

import zoo
from explain.pages.explanation import explain_image, separate_maxima


def test_no_two_of_the_strongest_patches_are_neighbours() -> None:
    values = np.zeros((4, 5), dtype=np.float32)
    values[0, 0], values[0, 1], values[1, 1], values[3, 4], values[0, 2] = 5, 4, 4, 3, 2
    assert separate_maxima(values, 3) == [(0, 0), (3, 4), (0, 2)]


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 7)])
def test_a_small_grid_has_fewer_of_them(shape: tuple[int, int]) -> None:
    places = separate_maxima(np.random.default_rng(0).random(shape), 6)
    assert 1 <= len(places) <= -(-shape[0] // 2) * -(-shape[1] // 2)
    assert all(abs(a[0] - b[0]) > 1 or abs(a[1] - b[1]) > 1 for a in places for b in places if a != b)


def test_another_class_than_the_answer(photo_file: Path) -> None:
    network = zoo.load("wrn16-ours", pretrained=True)
    pixels = network.pixels(photo_file)
    answer, other = explain_image(network, pixels), explain_image(network, pixels, explained=5)
    assert answer.explained == answer.predicted == other.predicted == 3
    assert (answer.explained_class, other.explained_class) == ("cat", "dog")
    assert other.shown_classes[:2] == (5, 3)
    for one in (answer, other):
        assert one.parts.sum() + one.bias == pytest.approx(one.logits[one.explained], abs=1e-3)
    assert np.abs(answer.occlusion - other.occlusion).max() > 0.1
    assert other.strongest_patches()[0] == tuple(np.argwhere(other.shares[5] == other.shares[5].max())[0])
