import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.answers import ClassShare, describe_patches, patch_shares, resolve_top_k, softmax, top_classes
from zoo.errors import InputError
from zoo.outputs import STANDARD
from zoo.predictors import Prediction

CLASSES = ("cat", "dog", "ship")


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=10))
def test_softmax_is_the_exponentials_share(logits: list[float]) -> None:
    exponentials = np.exp(np.array(logits, dtype=np.float64))
    actual = softmax(np.array(logits, dtype=np.float32), axis=0)
    np.testing.assert_allclose(actual, exponentials / exponentials.sum(), rtol=1e-4, atol=1e-6)


def test_softmax_of_large_logits_is_finite() -> None:
    np.testing.assert_array_equal(softmax(np.array([[1e4, -1e4], [-1e4, -1e4]]), axis=1), [[1, 0], [0.5, 0.5]])


def test_softmax_along_an_axis() -> None:
    np.testing.assert_allclose(softmax(np.random.default_rng(0).normal(size=(2, 3, 4)), axis=1).sum(axis=1), 1)


def test_shares_are_the_assignment_where_there_is_one() -> None:
    assignment = np.random.default_rng(0).random((2, 4, 2, 2), dtype=np.float32)
    prediction = Prediction(STANDARD, [np.zeros((2, 3)), np.zeros((2, 3, 2, 2)), assignment])
    np.testing.assert_array_equal(patch_shares(prediction), assignment)


def test_shares_are_else_the_softmax_of_the_patch_logits() -> None:
    patch_logits = np.log(np.array([0.2, 0.7, 0.1], dtype=np.float32))[None, :, None, None].repeat(2, axis=3)
    shares = patch_shares(Prediction(STANDARD[:2], [np.zeros((1, 3)), patch_logits]))
    assert shares.shape == (1, 4, 1, 2)
    np.testing.assert_allclose(shares[0, :, 0, 1], [0.2, 0.7, 0.1, 0], rtol=1e-6)


@pytest.mark.parametrize(("asked", "classes", "resolved"), [(None, 3, 3), (None, 5, 5), (None, 100, 5), (1, 3, 1)])
def test_top_k(asked: int | None, classes: int, resolved: int) -> None:
    assert resolve_top_k(asked, tuple(map(str, range(classes)))) == resolved


@pytest.mark.parametrize("top_k", [0, -1, 4])
def test_a_top_k_that_cannot_be(top_k: int) -> None:
    with pytest.raises(InputError, match=f"top_k = {top_k}: must be between 1 and 3"):
        resolve_top_k(top_k, CLASSES)


def test_top_classes_come_best_first() -> None:
    logits = np.log(np.array([0.3, 0.1, 0.6], dtype=np.float32))
    best, second = top_classes(logits, CLASSES, 2)
    assert best == ("ship", pytest.approx(0.6))
    assert second == ("cat", pytest.approx(0.3))


def test_all_top_classes_sum_to_1() -> None:
    shares = top_classes(np.array([3.0, -1.0, 0.5], dtype=np.float32), CLASSES, 3)
    assert {share.label for share in shares} == set(CLASSES)
    assert sum(share.probability for share in shares) == pytest.approx(1)


def test_equal_classes_keep_their_order() -> None:
    assert [share.label for share in top_classes(np.zeros(3, dtype=np.float32), CLASSES, 3)] == list(CLASSES)


def test_patches_come_row_by_row() -> None:
    shares = np.zeros((4, 2, 3), dtype=np.float32)
    shares[:, 1, 2] = [0.125, 0.5, 0.25, 0.125]
    grid = describe_patches(shares, CLASSES, 2)
    assert [len(row) for row in grid] == [3, 3]
    assert grid[1][2] == ("dog", 0.5, 0.125, (ClassShare("dog", 0.5), ClassShare("ship", 0.25)))


def test_none_is_never_the_strongest_class() -> None:
    patch = describe_patches(np.array([0.1, 0.0, 0.0, 0.9], dtype=np.float32)[:, None, None], CLASSES, 3)[0][0]
    assert patch.label == "cat"
    assert patch.none == pytest.approx(0.9)
    assert len(patch.top) == 3


def test_answers_are_plain_numbers() -> None:
    """So that they can be written as JSON."""
    patch = describe_patches(np.full((4, 1, 1), 0.25, dtype=np.float32), CLASSES, 1)[0][0]
    share = top_classes(np.zeros(3, dtype=np.float32), CLASSES, 1)[0]
    assert {type(value) for value in (patch.probability, patch.none, share.probability)} == {float}
