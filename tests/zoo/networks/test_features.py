from collections.abc import Iterable

import pytest

from zoo.errors import InputError
from zoo.networks.features import Feature, FeatureInfo

INFO = FeatureInfo(Feature(num_chs=10 * index, reduction=2**index, module=f"stage{index}") for index in range(4))


@pytest.mark.parametrize(
    ("indices", "taken"),
    [
        (None, [0, 1, 2, 3]),
        (1, [3]),
        (3, [1, 2, 3]),
        ([0, 2], [0, 2]),
        ((3, 1), [1, 3]),
        ([-1], [3]),
        ([1, -3], [1]),
        (range(2), [0, 1]),
    ],
)
def test_features_are_taken_in_the_order_of_their_depth(indices: int | Iterable[int] | None, taken: list[int]) -> None:
    info = INFO.take(indices)
    assert info.channels() == [10 * index for index in taken]
    assert info.reduction() == [2**index for index in taken]
    assert info.module_name() == [f"stage{index}" for index in taken]


@pytest.mark.parametrize("indices", [0, -1, 5, [4], [-5], []])
def test_features_that_are_not_there(indices: int | list[int]) -> None:
    with pytest.raises(InputError, match="feature"):
        INFO.take(indices)
