from collections.abc import Callable
from typing import Any

import pytest

from zoo.errors import PackageError
from zoo.files import sha256, write_json
from zoo.package import METRICS_FILE, PARITY_FILE, Package
from zoo.package.metrics import is_own_score, own_metrics, read_metrics

MakePackage = Callable[..., Package]

SCORE = {"images": 100, "accuracy": 90.5, "patch_accuracy": 80.25, "loss": 0.3}
TRAINING = {
    "data": "cifar10",
    "images": 100,
    "minutes": 2,
    "machine": {"device": "a machine"},
    "torch": "2.8.0",
    "recipe": {"epochs": 2},
}


def test_nothing_was_measured(make_package: MakePackage) -> None:
    metrics = read_metrics(make_package())
    assert metrics.training is None
    assert metrics.measured == {}


def test_what_the_zoo_does_not_know_is_passed_over(make_package: MakePackage) -> None:
    package = make_package()
    score = SCORE | {"seconds": 3}
    content = {"note": "mine", "test": {"torch": score}, "training": TRAINING | {"mood": "good"}}
    write_json(package.path / METRICS_FILE, content)
    metrics = read_metrics(package)
    assert metrics.measured["torch"].accuracy == 90.5
    assert metrics.training
    assert metrics.training.recipe == {"epochs": 2}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"test": 3}, "test"),
        ({"test": {"torch": 3}}, r"test\.torch"),
        ({"test": {"torch": SCORE | {"accuracy": 130}}}, r"test\.torch\.accuracy"),
        ({"held-out": {"torch": {"accuracy": 13}}}, r"held-out\.torch\.images"),
        ({"test": {"torch": SCORE | {"weights_sha256": 3}}}, r"test\.torch\.weights_sha256"),
        ({"training": []}, "training"),
        ({"training": {"recipe": {}}}, r"training\.data"),
        ({"training": TRAINING | {"machine": "fast"}}, r"training\.machine"),
        ({"training": TRAINING | {"history": {"loss": 1}}}, r"training\.history"),
        ({"training": TRAINING | {"history": [{"loss": []}]}}, r"training\.history\.0\.loss"),
    ],
)
def test_another_form_is_refused(content: dict[str, Any], field: str, make_package: MakePackage) -> None:
    package = make_package()
    write_json(package.path / METRICS_FILE, content)
    with pytest.raises(PackageError, match=rf"metrics\.json is not a record .*: {field}.*: .*; correct it, or remove"):
        read_metrics(package)


def test_scores_are_of_the_weights_or_of_the_onnx_file(make_package: MakePackage) -> None:
    package = make_package()
    file = package.path / "model.onnx"
    file.write_bytes(b"a network")
    weights, onnx = {"weights_sha256": package.config.weights_sha256}, {"onnx_sha256": sha256(file)}
    own = {"torch": SCORE | weights, "server": SCORE | weights, "onnx": SCORE | onnx}
    write_json(package.path / METRICS_FILE, {"test": own, "train": own | {"onnx-int8": SCORE | onnx}})
    assert own_metrics(package).scores == {"test": read_metrics(package).scores["test"]} | {
        "train": read_metrics(package).scores["test"]
    }
    file.write_bytes(b"another network")
    assert own_metrics(package).measured.keys() == {"torch", "server"}
    exchanged = {"torch": SCORE | onnx, "server": SCORE, "onnx": SCORE | weights}
    write_json(package.path / METRICS_FILE, {"test": exchanged})
    assert own_metrics(package).measured == {}


def test_an_onnx_file_that_is_not_there_is_the_one_that_was_compared(make_package: MakePackage) -> None:
    package = make_package()
    write_json(package.path / METRICS_FILE, {"test": {"onnx": SCORE | {"onnx_sha256": "a"}, "onnx-int8": SCORE}})
    metrics = read_metrics(package)
    assert not any(is_own_score(package, through, score) for through, score in metrics.measured.items())
    proof = {"onnx_sha256": "a", "weights_sha256": package.config.weights_sha256}
    write_json(package.path / PARITY_FILE, {"fp32": {"CPUExecutionProvider": proof}})
    assert own_metrics(package).measured.keys() == {"onnx"}
    write_json(package.path / PARITY_FILE, {"fp32": {"CPUExecutionProvider": proof | {"weights_sha256": "b"}}})
    assert own_metrics(package).measured == {}


def test_the_training_is_of_the_weights(make_package: MakePackage) -> None:
    package = make_package()
    write_json(package.path / METRICS_FILE, {"training": TRAINING})
    assert own_metrics(package).training is None
    weights = {"weights_sha256": package.config.weights_sha256}
    write_json(package.path / METRICS_FILE, {"training": TRAINING | weights})
    assert own_metrics(package).training == read_metrics(package).training != None  # noqa: E711
