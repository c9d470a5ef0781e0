import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from support.configs import CONFIG, CONFIGS

from zoo.errors import DigestError, PackageError
from zoo.files import write_json
from zoo.package import CONFIG_FILE, METRICS_FILE, PARITY_FILE, WEIGHTS_FILE, ModelConfig, Package

MakePackage = Callable[..., Package]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input_size": 4097}, "input_size = 4097: must be from 32 to 4096"),
        ({"data": "../../home"}, "data = '../../home': expected up to 96 letters"),
        ({"data": "a\nb"}, "up to 96 letters"),
        ({"classes": [str(number) for number in range(100_001)]}, "classes: expected at most 100,000, got 100,001"),
        ({"normalization": {"mean": [0, 0, 0], "std": [1, 0, 1]}}, "expected finite means and positive deviations"),
        ({"normalization": {"mean": [0, 0, float("nan")], "std": [1, 1, 1]}}, "expected finite means|finite number"),
    ],
)
def test_a_configuration_out_of_bounds(changed: dict[str, object], message: str) -> None:
    with pytest.raises(PackageError, match=message):
        ModelConfig.from_json(json.dumps(json.loads(CONFIG.to_json()) | changed))


@given(CONFIGS)
def test_a_configuration_survives_json(config: ModelConfig) -> None:
    assert ModelConfig.from_json(config.to_json()) == config


def test_a_file_that_failed_its_verification(make_package: MakePackage) -> None:
    package = make_package("wrn16")
    assert not package.verification_failed("fp32")
    records = {"CPUExecutionProvider": {"passed": True}, "CUDAExecutionProvider": {"passed": False}}
    write_json(package.path / PARITY_FILE, {"fp32": records})
    assert package.verification_failed("fp32")
    assert not package.verification_failed("int8")
    write_json(package.path / PARITY_FILE, {"int8": {"CPUExecutionProvider": {"max_abs_error": 0.0}}})
    assert package.verification_failed("int8")


def test_assignment_and_templates_may_be_left_out() -> None:
    fields = json.loads(CONFIG.to_json())
    del fields["assignment"], fields["templates"]
    config = ModelConfig.from_json(json.dumps(fields))
    assert config.assignment == "softmax"
    assert config.templates == 1


@pytest.mark.parametrize(
    "name", ["variant", "data", "classes", "input_size", "normalization", "weights_sha256"]
)  # fmt: skip
def test_a_missing_field_is_named(name: str) -> None:
    fields = json.loads(CONFIG.to_json())
    del fields[name]
    with pytest.raises(PackageError, match=rf"here/config.json is not a model configuration: {name}: Field required$"):
        ModelConfig.from_json(json.dumps(fields), "here/config.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variant", 5),
        ("data", None),
        ("classes", "cat"),
        ("classes", ["cat"]),
        ("classes", []),
        ("classes", ["cat", "dog", "cat"]),
        ("classes", ["cat", 7]),
        ("input_size", "large"),
        ("input_size", 31),
        ("input_size", -32),
        ("input_size", 32.5),
        ("normalization", None),
        ("normalization", {"mean": [0, 0, 0]}),
        ("normalization", {"mean": [0, 0], "std": [1, 1, 1]}),
        ("weights_sha256", 12),
        ("assignment", "argmax"),
        ("templates", 0),
        ("templates", 257),
        ("templates", "many"),
    ],
)
def test_a_wrong_field_is_named(name: str, value: Any) -> None:
    fields = json.loads(CONFIG.to_json()) | {name: value}
    with pytest.raises(PackageError, match=rf"config.json is not a model configuration: .*{name}"):
        ModelConfig.from_json(json.dumps(fields))


def test_an_unknown_field_is_named() -> None:
    fields = json.loads(CONFIG.to_json()) | {"num_layers": 12}
    with pytest.raises(PackageError, match="num_layers"):
        ModelConfig.from_json(json.dumps(fields))


def test_every_wrong_field_is_named() -> None:
    fields = json.loads(CONFIG.to_json()) | {"variant": 5, "input_size": "large"}
    with pytest.raises(PackageError, match=r"variant: .*; input_size: "):
        ModelConfig.from_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        (None, "from before the first release: its semantic block was ignored .* train the model again"),
        (1, "format version 1, from before"),
        (3, "format version 3, but this zoo reads version 2"),
        ("2", "format version '2', but"),
    ],
)
def test_what_another_version_wrote(version: object, problem: str) -> None:
    fields = json.loads(CONFIG.to_json()) | {"format_version": version, "of_that_version": 1}
    if version is None:
        del fields["format_version"]
    with pytest.raises(PackageError, match=rf"here/config\.json has .*{problem}"):
        ModelConfig.from_json(json.dumps(fields), "here/config.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff\xfe"])
def test_what_is_no_configuration_at_all(text: str | bytes) -> None:
    with pytest.raises(PackageError, match=r"config\.json is not a model configuration: file: "):
        ModelConfig.from_json(text)


def test_a_directory_round_trip(make_package: MakePackage) -> None:
    package = make_package()
    assert Package.open(package.path) == package
    assert package.weights() == package.path / WEIGHTS_FILE
    assert package.onnx() is None


def test_a_directory_without_configuration(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"is not a model directory: config\.json: No such file"):
        Package.open(tmp_path)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"^there is no folder .*/no; check the path .* hf-hub:ORG/NAME$"):
        Package.open(tmp_path / "no")


def test_a_directory_that_may_not_be_read(make_package: MakePackage, monkeypatch: pytest.MonkeyPatch) -> None:
    package = make_package()

    def refuse(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PackageError, match=r"^cannot read .*/config\.json: Permission denied; check the permissions"):
        Package.open(package.path)


def test_a_file_is_no_directory(photo_file: Path) -> None:
    with pytest.raises(PackageError, match=r"is not a model directory: config\.json: Not a directory"):
        Package.open(photo_file)


def test_the_configuration_file_is_named_with_its_path(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("{}")
    with pytest.raises(PackageError, match=str(tmp_path / CONFIG_FILE)):
        Package.open(tmp_path)


def test_weights_of_another_digest(make_package: MakePackage) -> None:
    package = make_package()
    (package.path / WEIGHTS_FILE).write_bytes(b"other")
    with pytest.raises(DigestError, match="fetch the model directory again"):
        package.weights()


def test_metrics_and_parity_are_empty_until_written(make_package: MakePackage) -> None:
    package = make_package()
    assert package.metrics() == {}
    assert package.parity() == {}
    write_json(package.path / METRICS_FILE, {"test": {"accuracy": 91.5, "data": "Öl"}})
    write_json(package.path / PARITY_FILE, {"passed": True})
    assert package.metrics() == {"test": {"accuracy": 91.5, "data": "Öl"}}
    assert package.parity() == {"passed": True}


def test_the_file_that_was_verified(make_package: MakePackage) -> None:
    package = make_package()
    assert package.verified_sha256("fp32") is None
    write_json(package.path / PARITY_FILE, {"fp32": {"one": {"onnx_sha256": "a"}, "other": {"onnx_sha256": "a"}}})
    assert package.verified_sha256("fp32") == "a"
    assert package.verified_sha256("int8") is None


@pytest.mark.parametrize(
    "record", [3, None, {"one": {}}, {"one": 3}, {"one": {"onnx_sha256": "a"}, "other": {"onnx_sha256": "b"}}]
)
def test_a_parity_record_of_another_form(record: object, make_package: MakePackage) -> None:
    package = make_package()
    write_json(package.path / PARITY_FILE, {"fp32": record})
    with pytest.raises(PackageError, match=r"parity\.json is not a record of `zoo verify`; remove it"):
        package.verified_sha256("fp32")


@pytest.mark.parametrize(("text", "problem"), [("{", "is not JSON"), ("[1]", "is not a JSON object")])
def test_broken_metrics(text: str, problem: str, make_package: MakePackage) -> None:
    package = make_package()
    (package.path / METRICS_FILE).write_text(text)
    with pytest.raises(PackageError, match=rf"metrics\.json {problem}"):
        package.metrics()
