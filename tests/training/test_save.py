import re
from pathlib import Path

import pytest
import torch

import zoo
from training.data.images import LabelledImages
from training.evaluate import Evaluation
from training.loop import TrainedNetwork
from training.recipe import Recipe
from training.save import describe, record_evaluation, save_model
from zoo.package import CARD_FILE, METRICS_FILE, Package

RECIPE = Recipe(epochs=2, input_size=32, growth=(0.5, 1.0), assignment="bn_relu")
HISTORY = [{"epoch": 1, "input_size": 16, "loss": 2.123456, "accuracy": 0.25, "patch_accuracy": 0.2}]


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
    assert "Its accuracy was not measured." in card


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
