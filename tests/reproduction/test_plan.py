import json
from pathlib import Path
from typing import Any

import pytest

from reproduction.plan import MOST_VALUABLE, Run, by_value, plan
from reproduction.records import Record, RecordError, parse_record
from training import recipes
from training.recipe import Recipe
from zoo.errors import InputError, UnknownNameError, ZooError
from zoo.registry import DATA_SETS, info, list_models

TEN = [name for name in list_models() if info(name).paper_accuracy]


@pytest.fixture(autouse=True)
def _recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "test", Recipe(epochs=4))


def planned(*sources: str, **arguments: Any) -> list[Run]:
    return plan(sources, recipe_name="test", **arguments)


def test_the_papers_table() -> None:
    runs = planned(seeds=2)
    assert len(runs) == 10 * 3 * 2
    assert [run.seed for run in runs] == [0] * 30 + [1] * 30
    assert [run.variant for run in runs[:10]] == TEN
    assert list(dict.fromkeys(run.source for run in runs)) == list(DATA_SETS)
    assert not any(run.hold_out or run.changes for run in runs)
    assert len({run.name for run in runs}) == len(runs)


def test_the_order_of_value() -> None:
    runs = planned(seeds=2)
    took = {variant: number for number, variant in enumerate(reversed(TEN))}
    ordered = by_value(runs, lambda run: took[run.variant])
    assert sorted(run.name for run in ordered) == sorted(run.name for run in runs)
    assert [run.seed for run in ordered] == [0] * 30 + [1] * 30
    named = [(data, variant) for data, variants in MOST_VALUABLE for variant in variants]
    assert set(named) <= {(run.data, run.variant) for run in runs}
    assert [(run.data, run.variant) for run in ordered[: len(named)]] == named
    assert [len(variants) for _, variants in MOST_VALUABLE] == [7, 1, 5, 1]
    rest = [took[run.variant] for run in ordered[len(named) : 30]]
    assert rest == sorted(rest)


def test_chosen_variants_come_in_the_tables_order() -> None:
    runs = planned("cifar10", patterns=["wrn16*", "rn26", "wrn16"])
    assert [run.variant for run in runs] == ["rn26", "wrn16", "wrn16-aux", "wrn16-ours"]


def test_a_folder_is_called_as_its_data_set(cifar: Path) -> None:
    [run] = planned(str(cifar), patterns=["rn26"])
    assert run.name == "rn26.cifar10.test.seed0"
    assert run.source == str(cifar)


def test_changes_are_for_all_runs() -> None:
    [run] = planned("cifar10", patterns=["wrn16-ours"], changes={"epochs": 2, "patch_weight": 0.5})
    assert run.name == "wrn16-ours.cifar10.test.epochs=2.patch_weight=0.5.seed0"
    assert planned(changes={"epochs": 4}) == planned()


def test_arguments_of_the_training() -> None:
    run = Run("rn26", "/data/cifar10", "test", (("assignment", "bn_relu"), ("patch_weight", 0.1)), 3, 0.1)
    given = "train rn26 --data /data/cifar10 --recipe test --seed 3 --assignment bn_relu --patch-weight 0.1"
    assert run.arguments() == [*given.split(), "--hold-out", "0.1"]
    assert Run("rn26", "cifar10", "test").arguments() == [
        "train",
        "rn26",
        "--data",
        "cifar10",
        "--recipe",
        "test",
        "--seed",
        "0",
    ]


def test_several_values_are_several_options() -> None:
    arguments = Run("rn26", "cifar10", "test", (("growth", (0.5, 1.0)),)).arguments()
    assert " ".join(arguments).endswith("--growth 0.5 --growth 1.0")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"patterns": ["wrn61"]}, UnknownNameError, "unknown variant 'wrn61'; did you mean wrn16"),
        ({"patterns": ["vit*"]}, UnknownNameError, r"unknown variant 'vit\*'"),
        ({"sources": ["cifar"]}, UnknownNameError, "unknown data set, folder or table 'cifar'; did you mean cifar10"),
        ({"sources": ["/nowhere/cifar10"]}, UnknownNameError, "'/nowhere/cifar10'"),
        ({"sources": ["cifar10", "uoft-cs/cifar10"]}, InputError, "have the same name, cifar10"),
        ({"seeds": 0}, InputError, "seeds = 0: must be at least 1"),
        ({"changes": {"epochs": 0}}, InputError, "epochs = 0: must be above 0"),
        ({"recipe_name": "slow"}, UnknownNameError, "unknown recipe 'slow'"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], error: type[ZooError], message: str) -> None:
    with pytest.raises(error, match=message):
        plan(**({"recipe_name": "test"} | arguments))


def record(**recipe: Any) -> Record:
    training = {
        "images": 45_000,
        "recipe_name": "test",
        "recipe": {"epochs": 4, "seed": 1, "patch_weight": 0.25} | recipe,
        "minutes": 1.0,
        "machine": {"device": "CPU"},
    }
    training["history"] = {name: [1.0] * training["recipe"]["epochs"] for name in ("epoch", "input_size", "accuracy")}
    about = {"name": "n", "variant": "rn26", "data": "cifar10", "weights_sha256": "", "training": training}
    score = {"torch": {"images": 5_000, "accuracy": 90, "patch_accuracy": 80}}
    return parse_record(json.dumps(about | {"held-out": score}), "here")


def test_a_run_knows_its_record() -> None:
    run = Run("rn26", "cifar10", "test", (("patch_weight", 0.1),), 1, 0.1)
    run.check(record(patch_weight=0.1))
    with pytest.raises(RecordError, match=r"another run \(patch_weight: 0\.25 recorded, 0\.1 planned\); remove it"):
        run.check(record())
    with pytest.raises(RecordError, match="epochs: 5 recorded, 4 planned"):
        run.check(record(patch_weight=0.1, epochs=5))
    with pytest.raises(RecordError, match=r"hold_out: 0\.1 recorded, 0\.0 planned"):
        Run("rn26", "cifar10", "test", seed=1).check(record())
