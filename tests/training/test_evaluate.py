import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.images import LabelledImages
from training.data.prepare import load_split
from training.evaluate import Evaluation, ask, evaluate, open_through
from zoo.errors import InputError, PackageError
from zoo.files import sha256
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.outputs import STANDARD
from zoo.predictors import Prediction
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.openvino import OpenVinoPredictor
from zoo.predictors.torch import TorchPredictor


class Echo:
    """Is sure of the class that the first pixel names; of the patches, the left one is sure of it too."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def __call__(self, pixels: np.ndarray) -> Prediction:
        self.seen.append(pixels)
        named = np.eye(3, dtype=np.float32)[pixels[:, 0, 0, 0]]
        patch_logits = np.zeros((len(pixels), 3, 1, 2), dtype=np.float32)
        patch_logits[:, :, 0, 0] = named
        patch_logits[:, 2, 0, 1] = 1
        return Prediction(STANDARD[:2], [np.log(named * 0.7 + 0.1), patch_logits])


def make_images(pixels: list[int], labels: list[int]) -> LabelledImages:
    values = torch.tensor(pixels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2).contiguous()
    return LabelledImages(values, torch.tensor(labels), ("a", "b", "c"))


def test_by_hand() -> None:
    evaluation = evaluate(Echo(), make_images([0, 1, 2, 0], [0, 1, 2, 1]))
    assert evaluation.images == 4
    assert evaluation.accuracy == 75
    # The left patches are right three times, the right ones for the third image.
    assert evaluation.patch_accuracy == pytest.approx(100 * 4 / 8)
    assert evaluation.loss == pytest.approx(-(3 * math.log(0.8) + math.log(0.1)) / 4, rel=1e-5)


@pytest.mark.parametrize("count", [1, 100, 101, 250])
def test_every_image_counts_once(count: int) -> None:
    numbers = [index % 3 for index in range(count)]
    predictor, progress = Echo(), []
    evaluation = evaluate(predictor, make_images(numbers, numbers), progress.append)
    assert evaluation.images == count
    assert evaluation.accuracy == 100
    assert np.concatenate(predictor.seen)[:, 0, 0, 0].tolist() == numbers
    assert progress == sorted(progress)
    assert progress[-1] == count


def test_large_logits_have_a_finite_loss() -> None:
    data = make_images([0], [1])
    logits = np.array([[1000, -1000, 0]], dtype=np.float32)
    evaluation = evaluate(lambda pixels: Prediction(STANDARD[:2], [logits, logits[:, :, None, None]]), data)
    assert evaluation.loss == pytest.approx(2000)


def test_as_json_numbers_are_rounded() -> None:
    assert Evaluation(3, 100 / 3, 50.0, 1.23456).to_json() == {
        "images": 3,
        "accuracy": 33.3333,
        "patch_accuracy": 50.0,
        "loss": 1.2346,
    }


def test_accuracy_by_class() -> None:
    """The last class has no images."""
    evaluation = evaluate(Echo(), make_images([0, 1, 2, 0], [0, 0, 1, 1]))
    assert evaluation.class_accuracy == {"a": 50, "b": 0}
    assert evaluation.to_json()["class_accuracy"] == {"a": 50.0, "b": 0.0}


def test_the_answer_for_each_image() -> None:
    answers = ask(Echo(), make_images([0, 1, 2, 0], [0, 1, 2, 1]))
    assert answers.predicted.tolist() == [0, 1, 2, 0]
    assert answers.right.tolist() == [True, True, True, False]
    assert answers.probability == pytest.approx(0.8)
    assert answers.loss == pytest.approx([-math.log(0.8)] * 3 + [-math.log(0.1)])


def test_calibration_is_measured_if_asked() -> None:
    """Sure of the right class in three of four images."""
    images = make_images([0, 1, 2, 0], [0, 1, 2, 1])
    evaluation = evaluate(Echo(), images, calibration=True)
    assert evaluation.calibration_error is not None
    error, low, high = evaluation.calibration_error
    assert low <= error <= high
    assert evaluation.to_json()["calibration_error"] == [round(number, 4) for number in (error, low, high)]
    assert evaluate(Echo(), images).calibration_error is None


@pytest.mark.parametrize(("through", "kind"), [("torch", TorchPredictor), ("onnx", OnnxPredictor)])
def test_what_answers(through: str, kind: type) -> None:
    package = open_model(DEFAULT_MODEL)
    name, predictor, digest = open_through(through, package)
    assert name == through
    assert isinstance(predictor, kind)
    assert digest == sha256(package.path / {"torch": "model.safetensors", "onnx": "model.onnx"}[through])


def test_a_precision_that_is_not_there() -> None:
    with pytest.raises(
        PackageError, match=r"has no ONNX file in fp16; create one with `zoo export .* --precision fp16`, which needs"
    ):
        open_through("onnx-fp16", open_model("rn26"))


def test_openvino_computes_too() -> None:
    pytest.importorskip("openvino")
    through, predictor, digest = open_through("openvino-fp32", open_model(DEFAULT_MODEL))
    assert (through, isinstance(predictor, OpenVinoPredictor)) == ("openvino-fp32", True)
    assert digest == open_model(DEFAULT_MODEL).verified_sha256("openvino-fp32")


@pytest.mark.parametrize("through", ["tensorflow", "", "localhost:8000"])
def test_what_does_not(through: str) -> None:
    with pytest.raises(
        InputError, match=r"must be torch, onnx, .*, openvino-fp32, openvino-bf16, openvino-int8 or the URL of a"
    ):
        open_through(through, open_model(DEFAULT_MODEL))


def test_the_shipped_model_knows_images_that_it_was_not_trained_on(
    cifar: Path, record_property: Callable[[str, object], None]
) -> None:
    _, predictor, _ = open_through("onnx", open_model(DEFAULT_MODEL))
    evaluation = evaluate(predictor, load_split(str(cifar), "test"))
    record_property("accuracy", evaluation.accuracy)
    assert evaluation.accuracy > 84
    assert evaluation.patch_accuracy > 75
