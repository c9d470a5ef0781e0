import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from reproduction.records import (
    Group,
    Record,
    RecordError,
    grouped,
    mean_and_deviation,
    parse_record,
    read_record,
    read_records,
    record_of,
    run_name,
    write_record,
)
from training import recipes
from training.recipe import Recipe
from zoo.files import write_json
from zoo.hub import open_model
from zoo.package import CONFIG_FILE, METRICS_FILE, Package

WEIGHTS = Path(__file__).parents[2] / "weights"


@pytest.fixture
def shipped() -> dict[str, Any]:
    return record_of(open_model("wrn16-ours"))


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A model directory of a changed named recipe, measured on held-out images."""
    monkeypatch.setitem(recipes.RECIPES, "test", Recipe(epochs=2))
    package = open_model("wrn16-ours")
    folder = tmp_path / "model"
    write_json(folder / CONFIG_FILE, json.loads((package.path / CONFIG_FILE).read_text()))
    metrics = package.metrics()
    training = metrics["training"] | {"recipe_name": "test", "history": metrics["training"]["history"][:2]}
    recipe = Recipe(epochs=2, patch_weight=0.1, input_size=32, seed=3, growth=(0.5, 1.0))
    training |= {"recipe": asdict(recipe), "held_out": 0.1, "limit": None}
    write_json(folder / METRICS_FILE, {"training": training, "held-out": metrics["test"]})
    return Package.open(folder)


@pytest.mark.parametrize("folder", sorted(WEIGHTS.iterdir()), ids=lambda folder: folder.name)
def test_every_shipped_model_has_a_record(folder: Path, tmp_path: Path) -> None:
    package = Package.open(folder)
    file = write_record(tmp_path, record_of(package))
    assert file.stat().st_size < 4096
    record = read_record(file)
    assert (record.variant, record.data) == (package.config.variant, package.config.data)
    assert record.weights_sha256 == package.config.weights_sha256
    assert record.score.accuracy == package.metrics()["test"]["torch"]["accuracy"]
    assert len(record.training.history["accuracy"]) == record.epochs


def test_a_record_has_the_score_through_torch_alone(shipped: dict[str, Any]) -> None:
    scores = open_model("wrn16-ours").metrics()["test"]
    assert len(scores) > 1
    assert shipped["test"] == {"torch": scores["torch"]}


def test_the_history_is_kept_in_columns(shipped: dict[str, Any]) -> None:
    epochs = open_model("wrn16-ours").metrics()["training"]["history"]
    columns = shipped["training"]["history"]
    assert columns["loss"] == [epoch["loss"] for epoch in epochs]
    assert columns.keys() == epochs[0].keys()


def test_the_name_says_what_was_changed(trained: Package) -> None:
    record = record_of(trained)
    # The input size is the images' own.
    assert record["changes"] == {"patch_weight": 0.1, "growth": [0.5, 1.0]}
    assert record["name"] == "wrn16-ours.cifar10.test.growth=0.5-1.patch_weight=0.1.held-out.seed3"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("wrn16-ours", "cifar10", "fast", {}, False, 0), "wrn16-ours.cifar10.fast.seed0"),
        (("rn26", "cifar100", None, {}, False, 2), "rn26.cifar100.seed2"),
        (("rn26", "own", "fast", {"patch_weight": 0.0}, 0.1, 1), "rn26.own.fast.patch_weight=0.held-out.seed1"),
        (("rn26", "own", "fast", {"epochs": 4, "assignment": "bn_relu"}, False, 0),
         "rn26.own.fast.assignment=bn_relu.epochs=4.seed0"),
    ],
)  # fmt: skip
def test_names(arguments: tuple[Any, ...], name: str) -> None:
    assert run_name(*arguments) == name


def test_a_model_directory_without_a_run(make_package: Any) -> None:
    with pytest.raises(RecordError, match=r"metrics\.json has no record of the training of wrn16-ours\.cifar10"):
        record_of(make_package())


def test_a_model_directory_without_an_accuracy(trained: Package) -> None:
    metrics = trained.metrics()
    del metrics["held-out"]
    write_json(trained.path / METRICS_FILE, metrics)
    with pytest.raises(RecordError, match=r"metrics\.json .* expected an accuracy through torch"):
        record_of(trained)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("variant",), None, "variant: Input should be a valid string"),
        (("test", "torch", "accuracy"), 101, r"test\.torch\.accuracy: .* less than or equal to 100"),
        (("test", "torch", "images"), 0, r"test\.torch\.images"),
        (("test", "torch"), {}, r"test\.torch\.images: Field required"),
        (("test",), {}, "expected an accuracy through torch"),
        (("training", "recipe"), {"seed": 0}, "epochs = None: expected a whole number"),
        (("training", "history", "accuracy"), [0.5], "history: expected .* of 15 epochs, got .*'accuracy': 1"),
        (("training", "history"), {}, "history: expected"),
    ],
)
def test_a_damaged_record_is_named(
    place: tuple[str, ...], value: object, message: str, shipped: dict[str, Any], tmp_path: Path
) -> None:
    record = json.loads(json.dumps(shipped))
    part = record
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    file = write_record(tmp_path, record)
    with pytest.raises(RecordError, match=f"{file} is not the record of a run: .*{message}"):
        read_records(tmp_path)


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"name": "half"')
    with pytest.raises(RecordError, match=r"half\.json is not the record of a run: .*JSON"):
        read_records(tmp_path)


def test_a_record_under_another_name(shipped: dict[str, Any], tmp_path: Path) -> None:
    write_record(tmp_path, shipped).rename(tmp_path / "other.json")
    with pytest.raises(RecordError, match=r"other\.json is the record of .*; rename it"):
        read_records(tmp_path)


def test_no_folder_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "none") == []


def altered(shipped: dict[str, Any], **recipe: Any) -> Record:
    """The shipped model's record with other fields of the recipe."""
    record = json.loads(json.dumps(shipped))
    record["training"]["recipe"] |= recipe
    record["name"] = f"{record['variant']}.{recipe}"
    return parse_record(json.dumps(record), "here")


def test_seeds_make_a_group(shipped: dict[str, Any]) -> None:
    records = [altered(shipped, seed=2), altered(shipped), altered(shipped, seed=1, patch_weight=0.5)]
    first, second = sorted(grouped(records), key=lambda group: -len(group.records))
    assert [record.seed for record in first.records] == [0, 2]
    assert [record.seed for record in second.records] == [1]
    assert first.key() != second.key()
    assert first.key(without=("patch_weight",)) == second.key(without=("patch_weight",))


def test_a_run_counts_once(shipped: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="are of the same run; remove one"):
        grouped([altered(shipped), altered(shipped, seed=0)])


def test_accuracies_of_a_group(shipped: dict[str, Any]) -> None:
    group = Group((altered(shipped), altered(shipped, seed=1)))
    measured = shipped["test"]["torch"]
    assert group.accuracies == 2 * [measured["accuracy"]]
    assert group.patch_accuracies == 2 * [measured["patch_accuracy"]]
    assert group.first.pixels == "16-24-32"


def test_mean_and_deviation() -> None:
    assert mean_and_deviation([90.0]) == (90.0, None)
    assert mean_and_deviation([90.0, 92.0]) == pytest.approx((91.0, 2**0.5))
