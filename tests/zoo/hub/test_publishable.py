import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.entities import some_entities

from zoo.errors import DigestError, PackageError, PublishError
from zoo.files import write_json
from zoo.hub import open_model
from zoo.hub.publishable import missing, require_publishable
from zoo.package import CARD_FILE, MAP_FILE, METRICS_FILE, ONNX_FILES, PARITY_FILE, WEIGHTS_FILE, Package


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A copy of a bundled model, complete with two ONNX files."""
    return Package.open(Path(shutil.copytree(open_model("wrn16-ours").path, tmp_path / "wrn16-ours.cifar10")))


def change_parity(package: Package, **changes: Any) -> None:
    parity = package.parity()
    parity["int8"]["CPUExecutionProvider"] |= changes
    write_json(package.path / PARITY_FILE, parity)


def test_the_bundled_models_are_fit(package: Package) -> None:
    require_publishable(package)


def test_without_an_onnx_file(make_package: Callable[..., Package]) -> None:
    package = make_package("rn26")
    require_publishable(package)
    lacks = "; ".join(missing(package))
    assert f"no ONNX file, which servers need: zoo export local-dir:{package.path}, then zoo verify" in lacks
    assert "accuracy not measured: zoo eval" in lacks
    assert "zoo speed" not in lacks
    assert f"no image in the card: zoo patches PHOTO -m local-dir:{package.path} -o {package.path}/map.png" in lacks


def test_what_is_there_is_not_missed(package: Package) -> None:
    (package.path / MAP_FILE).write_bytes(b"an image")
    assert [lack for lack in missing(package) if "speed" not in lack] == []


def test_a_check_with_another_engine_that_failed(package: Package) -> None:
    parity = package.parity()
    own = parity["fp32"]["CPUExecutionProvider"]
    parity["openvino-fp32"] = {"OpenVINO CPU": own}
    write_json(package.path / PARITY_FILE, parity)
    require_publishable(package)
    parity["openvino-fp32"] = {"OpenVINO CPU": own | {"passed": False}}
    write_json(package.path / PARITY_FILE, parity)
    with pytest.raises(PublishError, match=r"failed the parity check .* --precision fp32 --engine openvino --data"):
        require_publishable(package)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, ONNX_FILES["int8"]])
def test_a_replaced_file(name: str, package: Package) -> None:
    with (package.path / name).open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(DigestError, match=rf"{name} has SHA-256"):
        require_publishable(package)


def test_an_onnx_file_that_was_not_compared(package: Package) -> None:
    (package.path / PARITY_FILE).unlink()
    with pytest.raises(PublishError, match=r"model\.onnx was not verified .* zoo verify --precision fp32 --data"):
        require_publishable(package)


def test_an_onnx_file_of_other_weights(package: Package) -> None:
    change_parity(package, weights_sha256="0" * 64)
    with pytest.raises(PublishError, match=r"model\.int8\.onnx was verified against other weights"):
        require_publishable(package)


def test_an_onnx_file_that_answers_otherwise(package: Package) -> None:
    change_parity(package, passed=False)
    with pytest.raises(PublishError, match=r"model\.int8\.onnx failed the parity check"):
        require_publishable(package)


def test_a_link_to_elsewhere(package: Package, tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("a key")
    (package.path / MAP_FILE).unlink()
    (package.path / MAP_FILE).symlink_to(secret)
    with pytest.raises(PublishError, match=r"map\.png is a link to .*id_rsa, outside the model directory"):
        require_publishable(package)


def test_entities_of_other_weights(package: Package) -> None:
    classes = package.config.classes
    some_entities(package.config.weights_sha256, classes).write(package)
    require_publishable(package)
    some_entities("0" * 64, classes).write(package)
    with pytest.raises(PackageError, match=r"entities\.json was made from weights with SHA-256 0000"):
        require_publishable(package)


@pytest.mark.parametrize("passed", [None, "yes", 1])
def test_an_onnx_file_of_which_nobody_says_that_it_is_near(passed: object, package: Package) -> None:
    change_parity(package, passed=passed)
    with pytest.raises(PublishError, match=r"model\.int8\.onnx failed the parity check"):
        require_publishable(package)


def test_a_proof_of_other_weights_without_its_file(package: Package) -> None:
    (package.path / ONNX_FILES["int8"]).unlink()
    require_publishable(package)
    change_parity(package, weights_sha256="0" * 64)
    with pytest.raises(PublishError, match=r"model\.int8\.onnx was verified against other weights"):
        require_publishable(package)


@pytest.mark.parametrize(
    ("through", "field"), [("torch", "weights_sha256"), ("onnx-int8", "onnx_sha256"), ("server", "weights_sha256")]
)
def test_an_accuracy_of_other_weights(through: str, field: str, package: Package) -> None:
    metrics = package.metrics()
    for changed in ({field: "0" * 64}, {}):
        old = {name: value for name, value in metrics["test"][through].items() if name != field}
        write_json(package.path / METRICS_FILE, metrics | {"test": metrics["test"] | {through: old | changed}})
        said = rf"test\.{through} was measured with other files .* {field}; .* --record"
        with pytest.raises(PublishError, match=said):
            require_publishable(package)


def test_the_metrics_of_another_model(package: Package) -> None:
    shutil.copy(open_model("wrn16").path / METRICS_FILE, package.path)
    with pytest.raises(
        PublishError, match=r"metrics\.json: test\.torch was measured with other files .* zoo eval .* --record"
    ):
        require_publishable(package)
    lacks = "; ".join(missing(package))
    assert "accuracy not measured" in lacks


def test_a_training_of_other_weights(package: Package) -> None:
    metrics = package.metrics()
    metrics["training"]["weights_sha256"] = metrics["training"]["rounded_from_sha256"]
    write_json(package.path / METRICS_FILE, metrics)
    with pytest.raises(PublishError, match=r"training does not belong to model\.safetensors, by its weights_sha256"):
        require_publishable(package)


def test_metrics_of_another_form(package: Package) -> None:
    write_json(package.path / METRICS_FILE, {"test": {"torch": 91.2}})
    with pytest.raises(PackageError, match=r"metrics\.json is not a record .*: test\.torch: "):
        require_publishable(package)


def test_a_card_without_a_licence(package: Package) -> None:
    card = package.path / CARD_FILE
    card.write_text(card.read_text().replace("license: apache-2.0\n", ""))
    assert "no licence in the card: add `license: ...`" in "; ".join(missing(package))


@pytest.mark.parametrize(("data", "given"), [("cifar100", "cifar100"), ("my-images", "IMAGES")])
def test_the_commands_name_only_data_that_can_be_opened(package: Package, data: str, given: str) -> None:
    (package.path / METRICS_FILE).unlink()
    other = replace(package, config=replace(package.config, data=data))
    [lack] = [each for each in missing(other) if each.startswith("accuracy")]
    assert f" --data {given} --record" in lack
