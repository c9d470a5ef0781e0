from collections.abc import Callable
from typing import Any

import pytest
import yaml

import zoo
from zoo.card import model_card, write_card
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.package import CARD_FILE, METRICS_FILE, Package, write_json

MakePackage = Callable[..., Package]

RESULT = {"images": 10_000, "accuracy": 91.23, "patch_accuracy": 85.5, "loss": 0.3}
TRAINING = {
    "data": "cifar10",
    "images": 50_000,
    "minutes": 12.5,
    "machine": {"device": "a machine"},
    "torch": "2.8.0",
    "recipe": {"epochs": 15, "input_sizes": [16, 32]},
}


def front_matter(card: str) -> dict[str, Any]:
    before, block, _ = card.split("---\n", 2)
    assert before == ""
    return yaml.safe_load(block)


def test_the_front_matter_says_what_the_hub_wants_to_know(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    write_json(package.path / METRICS_FILE, {"test": {"torch": RESULT}})
    facts = front_matter(model_card(package))
    assert facts["license"] == "apache-2.0"
    assert facts["pipeline_tag"] == "image-classification"
    assert facts["datasets"] == ["uoft-cs/cifar10"]
    [model] = facts["model-index"]
    assert model["name"] == "wrn16-ours.cifar10"
    assert model["results"][0]["metrics"] == [{"type": "accuracy", "value": 91.23}]
    assert model["results"][0]["dataset"]["split"] == "test"


@pytest.mark.parametrize("accuracy", [0.0, 100.0])
def test_any_accuracy_is_in_the_front_matter(accuracy: float, make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    write_json(package.path / METRICS_FILE, {"test": {"torch": RESULT | {"accuracy": accuracy}}})
    [model] = front_matter(model_card(package))["model-index"]
    assert model["results"][0]["metrics"] == [{"type": "accuracy", "value": accuracy}]


def test_a_model_that_was_not_measured_claims_nothing(make_package: MakePackage) -> None:
    card = model_card(make_package("wrn16-ours"))
    assert "model-index" not in front_matter(card)
    assert "## Accuracy" not in card
    assert "## Training" not in card
    assert "## Limits" in card


def test_every_measurement_has_a_row_beside_the_papers_number(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    write_json(package.path / METRICS_FILE, {"test": {"torch": RESULT, "onnx": RESULT | {"accuracy": 91.2}}})
    card = model_card(package)
    assert "| torch | 10,000 | 91.23 | 85.50 |" in card
    assert "| onnx | 10,000 | 91.20 | 85.50 |" in card
    assert "The paper prints 91.10" in card


@pytest.mark.parametrize(("variant", "data"), [("wrn16-aux", "cifar10"), ("wrn16", "pets")])
def test_where_the_paper_has_no_number(variant: str, data: str, make_package: MakePackage) -> None:
    package = make_package(variant, data=data)
    write_json(package.path / METRICS_FILE, {"test": {"torch": RESULT}})
    assert "The paper prints" not in model_card(package)


def test_the_training_is_told(make_package: MakePackage) -> None:
    package = make_package()
    write_json(package.path / METRICS_FILE, {"training": TRAINING})
    card = model_card(package)
    assert "50,000 images of cifar10, 12.5 minutes on a machine, torch 2.8.0" in card
    assert "| epochs | 15 |" in card
    assert "| input_sizes | [16, 32] |" in card


@pytest.mark.parametrize("variant", zoo.list_models())
def test_the_model_is_described(variant: str, make_package: MakePackage) -> None:
    card = model_card(make_package(variant))
    assert f"# {variant}.cifar10" in card
    assert f"{zoo.info(variant).parameters(10):,} weights, 32x32 pixels, 10 classes: class 0, class 1" in card
    assert 'zoo.load("local-dir:PATH")' in card


def test_many_classes_are_not_listed(make_package: MakePackage) -> None:
    classes = tuple(f"kind {index}" for index in range(100))
    card = model_card(make_package("wrn16-ours", classes=classes, data="cifar100"))
    assert "100 classes.\n" in card
    assert "kind 7" not in card


def test_writing_replaces_the_card(make_package: MakePackage) -> None:
    package = make_package()
    (package.path / CARD_FILE).write_text("old")
    write_card(package)
    assert (package.path / CARD_FILE).read_text() == model_card(package)


def test_the_shipped_card_is_up_to_date() -> None:
    package = open_model(DEFAULT_MODEL)
    assert (package.path / CARD_FILE).read_text() == model_card(package)
