import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.entities import some_entities

from zoo.errors import DigestError, PackageError, PublishError
from zoo.hub import open_model
from zoo.package import MAP_FILE, ONNX_FILES, PARITY_FILE, WEIGHTS_FILE, Package, write_json
from zoo.publishable import missing, require_publishable


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
    assert "no ONNX file, which servers need: zoo export, then zoo verify" in lacks
    assert "its accuracy was not measured: zoo eval" in lacks
    assert "its speed was not measured" not in lacks
    assert "its card has no picture: zoo patches PHOTO -m local-dir:rn26.cifar10" in lacks


def test_what_is_there_is_not_missed(package: Package) -> None:
    (package.path / MAP_FILE).write_bytes(b"a picture")
    assert [lack for lack in missing(package) if "speed" not in lack] == []


@pytest.mark.parametrize("name", [WEIGHTS_FILE, ONNX_FILES["int8"]])
def test_a_replaced_file(name: str, package: Package) -> None:
    with (package.path / name).open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(DigestError, match=rf"{name} has SHA-256"):
        require_publishable(package)


def test_an_onnx_file_that_was_not_compared(package: Package) -> None:
    (package.path / PARITY_FILE).unlink()
    with pytest.raises(PublishError, match=r"model\.onnx was not compared .* zoo verify --precision fp32 --data"):
        require_publishable(package)


def test_an_onnx_file_of_other_weights(package: Package) -> None:
    change_parity(package, weights_sha256="0" * 64)
    with pytest.raises(PublishError, match=r"model\.int8\.onnx was compared with other weights"):
        require_publishable(package)


def test_an_onnx_file_that_answers_otherwise(package: Package) -> None:
    change_parity(package, passed=False)
    with pytest.raises(PublishError, match=r"model\.int8\.onnx is too far from its network"):
        require_publishable(package)


def test_a_link_to_elsewhere(package: Package, tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("a key")
    (package.path / MAP_FILE).unlink()
    (package.path / MAP_FILE).symlink_to(secret)
    with pytest.raises(PublishError, match=r"map\.png is a link to .*id_rsa, outside of the model directory"):
        require_publishable(package)


def test_entities_of_other_weights(package: Package) -> None:
    classes = package.config.classes
    some_entities(package.config.weights_sha256, classes).write(package)
    require_publishable(package)
    some_entities("0" * 64, classes).write(package)
    with pytest.raises(PackageError, match=r"entities\.json was made from weights with SHA-256 0000"):
        require_publishable(package)
