import numpy as np
import pytest

from zoo.errors import InputError
from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.outputs import STANDARD
from zoo.package import ModelConfig
from zoo.predictors import Prediction, check_pixels


def prediction(count: int, with_block: bool) -> Prediction:
    random = np.random.default_rng(0)
    shapes = ((count, 3), (count, 3, 2, 2), (count, 4, 2, 2))
    logits, patch_logits, assignment = (random.random(shape, dtype=np.float32) for shape in shapes)
    arrays = [logits, patch_logits, assignment]
    return Prediction(STANDARD, arrays) if with_block else Prediction(STANDARD[:2], arrays[:2])


@pytest.mark.parametrize("with_block", [True, False])
def test_parts_join_to_the_whole(with_block: bool) -> None:
    whole = prediction(7, with_block)
    joined = Prediction.join([whole.rows(0, 3), whole.rows(3, 4), whole.rows(4, 7)])
    assert joined.outputs == whole.outputs
    for name, expected in whole.items():
        np.testing.assert_array_equal(joined[name], expected)
    assert (joined.assignment is None) != with_block


def test_arrays_must_be_those_of_the_outputs() -> None:
    with pytest.raises(ValueError, match="zip"):
        Prediction(STANDARD, [np.zeros((1, 3))])


@pytest.fixture
def config() -> ModelConfig:
    return ModelConfig("wrn16", "pets", ("cat", "dog"), 40, CIFAR10_NORMALIZATION, "0")


@pytest.mark.parametrize("count", [1, 9])
def test_pixels_of_the_models_size_pass(count: int, config: ModelConfig) -> None:
    check_pixels(np.zeros((count, 3, 40, 40), dtype=np.uint8), config)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((0, 3, 40, 40), np.uint8),
        ((3, 40, 40), np.uint8),
        ((1, 3, 32, 32), np.uint8),
        ((1, 3, 40, 32), np.uint8),
        ((1, 40, 40, 3), np.uint8),
        ((1, 1, 40, 40), np.uint8),
        ((1, 3, 40, 40), np.float32),
        ((1, 3, 40, 40), np.int8),
    ],
)
def test_other_pixels_do_not(shape: tuple[int, ...], dtype: type, config: ModelConfig) -> None:
    with pytest.raises(InputError, match=r"wrn16.pets expects uint8 pixels \[N, 3, 40, 40\]") as caught:
        check_pixels(np.zeros(shape, dtype=dtype), config)
    assert str(caught.value).endswith(f"got {np.dtype(dtype)} {list(shape)}")
