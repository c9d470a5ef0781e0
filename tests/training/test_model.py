import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import zoo
from training.data.images import LabelledImages
from training.evaluate import Evaluation
from training.loop import TrainedNetwork
from training.model import describe, record_evaluation, save_model, start_network
from training.recipe import PatchLossName, Recipe
from zoo.errors import InputError, PackageError, UnknownNameError
from zoo.package import CARD_FILE, METRICS_FILE, Package

RECIPE = Recipe(epochs=2, input_size=32, growth=(0.5, 1.0), assignment="bn_relu")
HISTORY = [{"epoch": 1, "input_size": 16, "loss": 2.123456, "accuracy": 0.25, "patch_accuracy": 0.2}]


@pytest.fixture
def renamed(images: LabelledImages) -> LabelledImages:
    """The same number of classes with other names."""
    return LabelledImages(images.images, images.labels, tuple(f"kind {index}" for index in range(10)))


def test_random_weights_for_the_images(images: LabelledImages, tiny: Recipe) -> None:
    two = LabelledImages(images.images, images.labels % 2, ("no", "yes"))
    start = start_network("wrn16-ours", two, replace(tiny, assignment="bn_relu"))
    assert start.network.num_classes == 2
    assert start.network.block.assign.norm.num_features == 2
    assert start.normalization == two.normalization()
    assert start.network.normalize.mean.flatten().tolist() == pytest.approx(start.normalization.mean)
    assert start.weights == ""


def test_the_seed_decides(images: LabelledImages, tiny: Recipe) -> None:
    one, same, other = (
        start_network("wrn16", images, replace(tiny, seed=seed)).network.stem.weight for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_released_weights(images: LabelledImages, tiny: Recipe) -> None:
    released = zoo.load("wrn16-ours")
    start = start_network("wrn16-ours", images, replace(tiny, start_from="released"))
    torch.testing.assert_close(start.network.state_dict(), released.state_dict(), rtol=0, atol=0)
    assert start.weights == released.config.weights_sha256
    assert start.normalization == released.config.normalization


def test_for_other_classes_what_belongs_to_a_class_starts_anew(renamed: LabelledImages, tiny: Recipe) -> None:
    released = zoo.load("wrn16-ours").state_dict()
    start = start_network("wrn16-ours", renamed, replace(tiny, start_from="released"))
    by_class = start.network.class_tensors()
    same = {name for name, value in start.network.state_dict().items() if torch.equal(value, released[name])}
    assert same.isdisjoint({"classifier.weight", "block.keys.weight", "block.values.weight"})
    assert released.keys() - by_class <= same


def test_another_number_of_classes(images: LabelledImages, tiny: Recipe) -> None:
    three = LabelledImages(images.images, images.labels % 3, ("a", "b", "c"))
    network = start_network("wrn16-ours", three, replace(tiny, start_from="wrn16-ours.cifar10")).network
    assert network.num_classes == 3
    assert torch.equal(network.stem.weight, zoo.load("wrn16-ours").stem.weight)


def test_another_number_of_templates_starts_them_anew(
    images: LabelledImages, tiny: Recipe, make_package: Callable[..., Package]
) -> None:
    package = make_package("wrn16-ours", classes=images.classes, templates=3)
    stored = zoo.load(f"local-dir:{package.path}").state_dict()
    recipe = replace(tiny, start_from=f"local-dir:{package.path}")
    same = start_network("wrn16-ours", images, replace(recipe, templates=3)).network
    torch.testing.assert_close(same.state_dict(), stored, rtol=0, atol=0)
    other = start_network("wrn16-ours", images, replace(recipe, templates=2)).network
    assert other.block.keys.out_channels == 2 * len(images.classes)
    assert torch.equal(other.stem.weight, stored["stem.weight"])


@pytest.mark.parametrize("patch_loss", ["paper", "slack"])
def test_several_templates_are_saved(
    images: LabelledImages, tiny: Recipe, tmp_path: Path, patch_loss: PatchLossName
) -> None:
    recipe = replace(tiny, templates=3, patch_loss=patch_loss)
    start = start_network("wrn16-ours", images, recipe)
    network = TrainedNetwork(start.network.eval(), 1.0, HISTORY)
    config = describe("wrn16-ours", "cifar10", images.classes, start.normalization, recipe, network.network)
    assert config.templates == 3
    package = save_model(tmp_path / "model", config, network, images, recipe, "tiny")
    loaded = zoo.load(f"local-dir:{package.path}")
    torch.testing.assert_close(loaded.state_dict(), network.network.state_dict(), rtol=0, atol=0)
    assert "10 classes with 3 templates each" in (package.path / CARD_FILE).read_text()


def test_from_a_model_directory(images: LabelledImages, tiny: Recipe, make_package: Callable[..., Package]) -> None:
    package = make_package("rn26")
    start = start_network("rn26", images, replace(tiny, start_from=f"local-dir:{package.path}"))
    assert start.weights == package.config.weights_sha256


@pytest.mark.parametrize(
    ("variant", "start_from", "error", "message"),
    [
        ("wrn61", "", UnknownNameError, "did you mean wrn16"),
        ("wrn16", "wrn16-ours", InputError, "is a wrn16-ours; it must be a wrn16"),
        ("rn38", "released", PackageError, r"model 'rn38\.cifar10' is not available"),
    ],
)
def test_what_cannot_be_started_from(
    images: LabelledImages, tiny: Recipe, variant: str, start_from: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        start_network(variant, images, replace(tiny, start_from=start_from))


@pytest.fixture
def trained(images: LabelledImages) -> TrainedNetwork:
    network = zoo.create("wrn16-ours", assignment="bn_relu", normalization=images.normalization())
    return TrainedNetwork(network.eval().to(memory_format=torch.channels_last), 90.0, HISTORY)


def save(out: Path, images: LabelledImages, trained: TrainedNetwork) -> Package:
    config = describe("wrn16-ours", "cifar10", images.classes, images.normalization(), RECIPE, trained.network)
    return save_model(out, config, trained, images, RECIPE, "fast")


@pytest.fixture
def package(trained: TrainedNetwork, images: LabelledImages, tmp_path: Path) -> Package:
    return save(tmp_path / "model", images, trained)


def test_the_saved_network_is_loaded_again(package: Package, trained: TrainedNetwork) -> None:
    network = zoo.load(f"local-dir:{package.path}")
    torch.testing.assert_close(network.state_dict(), trained.network.state_dict(), rtol=0, atol=0)


def test_the_identity(package: Package, images: LabelledImages) -> None:
    assert package.config.name == "wrn16-ours.cifar10"
    assert package.config.input_size == 32
    assert package.config.assignment == "bn_relu"
    assert package.config.classes == images.classes
    assert package.config.normalization == images.normalization()


def test_what_was_run(package: Package) -> None:
    training = package.metrics()["training"]
    assert training["weights_sha256"] == package.config.weights_sha256
    assert training["images"] == 256
    assert training["data"] == "cifar10"
    assert training["minutes"] == 1.5
    assert training["recipe_name"] == "fast"
    assert training["recipe"]["growth"] == [0.5, 1.0]
    assert training["history"] == [HISTORY[0] | {"loss": 2.1235}]
    assert training["torch"] == torch.__version__


def test_the_card_is_written(package: Package) -> None:
    card = (package.path / CARD_FILE).read_text()
    assert "## Training" in card
    assert "Accuracy was not measured." in card


def test_evaluations_are_added(package: Package) -> None:
    digest = package.config.weights_sha256
    record_evaluation(package, "test", "torch", Evaluation(10_000, 90.5, 80.25, 0.3), digest)
    record_evaluation(package, "test", "onnx", Evaluation(10_000, 90.25, 80.0, 0.3), "of a file")
    record_evaluation(package, "train", "torch", Evaluation(50_000, 99.0, 95.0, 0.05), digest)
    metrics = package.metrics()
    assert metrics["training"]["images"] == 256
    expected = {"images": 10_000, "accuracy": 90.5, "patch_accuracy": 80.25, "loss": 0.3}
    assert metrics["test"]["torch"] == expected | {"weights_sha256": digest}
    assert metrics["test"]["onnx"]["accuracy"] == 90.25
    assert metrics["test"]["onnx"]["onnx_sha256"] == "of a file"
    assert metrics["train"]["torch"]["images"] == 50_000
    card = (package.path / CARD_FILE).read_text()
    assert re.search(r"\| PyTorch \| `model.safetensors` \| .* \| 10,000 \| 90.50 \| 80.25 \|", card)


def test_a_damaged_record_does_not_cost_a_training(
    package: Package, trained: TrainedNetwork, images: LabelledImages
) -> None:
    for damaged in ("{", '{"test": 3}'):
        (package.path / METRICS_FILE).write_text(damaged)
        assert save(package.path, images, trained).metrics().keys() == {"training"}


def test_saving_again_replaces(package: Package, trained: TrainedNetwork, images: LabelledImages) -> None:
    record_evaluation(package, "test", "torch", Evaluation(10_000, 90.5, 80.25, 0.3), package.config.weights_sha256)
    torch.nn.init.zeros_(trained.network.classifier.bias)
    again = save(package.path, images, trained)
    assert "test" not in again.metrics()
    assert zoo.load(f"local-dir:{again.path}").classifier.bias.abs().max() == 0
