from typing import Any

import pytest

from training.recipe import Recipe
from training.recipes import RECIPES, get
from zoo.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("epochs", 0, "above 0"),
        ("batch_size", -1, "above 0"),
        ("peak_learning_rate", 0.0, "above 0"),
        ("weight_decay", -1e-4, "at least 0"),
        ("crop_padding", -1, "at least 0"),
        ("seed", -1, "at least 0"),
        ("warmup", 1.0, "below 1"),
        ("warmup", -0.1, "at least 0"),
        ("momentum", 1.0, "below 1"),
        ("patch_weight", 1.0, "below 1"),
        ("patch_weight_fall", 1.5, "at least 0 and at most 1"),
        ("interchange", 1.0, "below 1"),
        ("interchanged_label", -0.1, "at least 0"),
        ("patch_weight", -0.25, "at least 0"),
        ("clip_norm", -1.0, "at least 0"),
        ("cutout", -8, "at least 0"),
        ("mixup", -0.1, "at least 0"),
        ("ema_decay", 1.0, "below 1"),
        ("label_smoothing", -0.1, "at least 0"),
        ("peak_learning_rate", float("inf"), "must be a finite number"),
        ("clip_norm", float("nan"), "must be a finite number"),
        ("precision", "fp8", "must be one of auto, bf16, fp32"),
        ("flip", "always", "must be one of none, random, alternating"),
        ("assignment", "hard", "must be one of softmax, "),
        ("input_size", 31, "at least 32 pixels"),
        ("templates", 0, "at least 1 and at most 256"),
        ("templates", 257, "at least 1 and at most 256"),
        ("patch_loss", "cross", "must be one of paper, slack"),
        ("min_object_share", 0.9, "at most max_object_share"),
        ("min_object_share", 0.0, "above 0"),
        ("max_object_share", 1.0, "below 1"),
        ("canvas", 1.5, "at most 1"),
        ("cutmix", -0.5, "at least 0"),
        ("growth", (), "1 to 10"),
        ("growth", (1.0, 0.5), "ascending, the last 1"),
        ("growth", (0.5,), "the last 1"),
        ("growth", (0.0, 1.0), "above 0"),
        ("growth", (1.0,) * 11, "1 to 10 .*; --growth 1 keeps to one size"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(name: str, value: Any, limit: str) -> None:
    with pytest.raises(InputError, match=f"{name} = .*{limit}"):
        Recipe(**{name: value})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"patch_loss": "slack", "assignment": "bn_relu"}, "patch_loss = 'slack'.*bn_relu"),
        ({"patch_loss": "slack", "assignment": "softmax_no_slack"}, "patch_loss = 'slack'.*softmax_no_slack"),
        ({"canvas": 0.6, "cutmix": 0.5}, "canvas = 0.6.*cutmix = 0.5"),
        ({"canvas": 0.5, "mixup": 0.2}, "mixup = 0.2"),
        ({"cutmix": 0.5, "mixup": 0.2}, "mixup = 0.2"),
    ],
)
def test_values_that_exclude_each_other_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Recipe(**changes)


@pytest.mark.parametrize("name", ["weight_decay", "crop_padding", "seed", "warmup", "momentum", "patch_weight"])
def test_zero_is_a_choice(name: str) -> None:
    assert getattr(Recipe(**{name: 0}), name) == 0


@pytest.mark.parametrize(
    ("epochs", "growth", "size", "sides"),
    [
        (3, (1.0,), 32, [32, 32, 32]),
        (4, (0.5, 1.0), 32, [16, 16, 32, 32]),
        (5, (0.5, 0.75, 1.0), 32, [16, 16, 24, 24, 32]),
        (3, (0.5, 0.75, 1.0), 84, [40, 64, 84]),
        (2, (0.1, 1.0), 32, [16, 32]),
    ],
)
def test_sizes_share_the_epochs_and_the_last_ends_the_run(
    epochs: int, growth: tuple[float, ...], size: int, sides: list[int]
) -> None:
    recipe = Recipe(epochs=epochs, growth=growth, input_size=size)
    assert [recipe.side(epoch) for epoch in range(epochs)] == sides


@pytest.mark.parametrize(
    ("images", "processes", "batch"), [(1000, 1, 128), (100, 1, 100), (101, 2, 100), (128, 4, 128)]
)
def test_a_batch_is_no_larger_than_the_data_set(images: int, processes: int, batch: int) -> None:
    fitted = Recipe().fitted(48, images, processes)
    assert (fitted.batch_size, fitted.input_size) == (batch, 48)


def test_a_batch_is_divided_among_the_processes() -> None:
    with pytest.raises(InputError, match="3 processes need a multiple of 3"):
        Recipe(interchange=0.0).fitted(32, 1000, 3)


@pytest.mark.parametrize("pairs", [{"mixup": 0.2, "interchange": 0.0}, {"interchange": 0.2}])
def test_pairs_stay_in_one_process(pairs: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"batch_size = 6 .* 2 processes need a multiple of 4"):
        Recipe(batch_size=6, **pairs).fitted(32, 1000, 2)
    assert Recipe(**pairs).fitted(32, 103, 2).batch_size == 100
    assert Recipe(batch_size=7, **pairs).fitted(32, 1000).batch_size == 7


def test_recipes_have_names() -> None:
    assert {name: get(name) for name in RECIPES} == RECIPES


def test_a_recipe_that_is_not_there() -> None:
    with pytest.raises(UnknownNameError, match="unknown recipe 'papers'; did you mean paper"):
        get("papers")


def test_lambda_falls_over_the_last_steps() -> None:
    recipe = Recipe(patch_weight=0.4, patch_weight_fall=0.5)
    assert [recipe.patch_weight_at(share) for share in (0, 0.5, 0.75, 1)] == pytest.approx([0.4, 0.4, 0.2, 0])
    assert Recipe(patch_weight=0.4).patch_weight_at(1) == 0.4
