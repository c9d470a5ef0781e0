from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from training.recipe import Recipe
from zoo.errors import InputError


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("epochs", 0, "above 0"),
        ("batch_size", -1, "above 0"),
        ("peak_learning_rate", 0.0, "above 0"),
        ("weight_decay", -1e-4, "not be negative"),
        ("crop_padding", -1, "not be negative"),
        ("seed", -1, "not be negative"),
        ("warmup", 1.0, "below 1"),
        ("warmup", -0.1, "at least 0"),
        ("momentum", 1.0, "below 1"),
        ("patch_weight", 1.0, "below 1"),
        ("patch_weight", -0.25, "at least 0"),
        ("input_sizes", (), "1 to 10"),
        ("input_sizes", (32, 16), "ascending"),
        ("input_sizes", (15,), "from 16 pixels up"),
        ("input_sizes", tuple(range(16, 27)), "1 to 10"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(name: str, value: Any, limit: str) -> None:
    with pytest.raises(InputError, match=f"{name} = .*{limit}"):
        Recipe(**{name: value})


@pytest.mark.parametrize("name", ["weight_decay", "crop_padding", "seed", "warmup", "momentum", "patch_weight"])
def test_zero_is_a_choice(name: str) -> None:
    assert getattr(Recipe(**{name: 0}), name) == 0


@pytest.mark.parametrize(
    ("epochs", "sizes", "schedule"),
    [
        (3, (32,), [32, 32, 32]),
        (4, (16, 32), [16, 16, 32, 32]),
        (5, (16, 24, 32), [16, 16, 24, 24, 32]),
        (2, (16, 32), [16, 32]),
    ],
)
def test_sizes_share_the_epochs_and_the_last_ends_the_run(
    epochs: int, sizes: tuple[int, ...], schedule: list[int]
) -> None:
    recipe = Recipe(epochs=epochs, input_sizes=sizes)
    assert [recipe.input_size(epoch) for epoch in range(epochs)] == schedule


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Recipe().epochs = 5  # type: ignore[misc]
