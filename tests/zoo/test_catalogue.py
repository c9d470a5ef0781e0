from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.variants import STRUCTURES
from torch import nn

import zoo
from zoo.errors import BarePathError, InputError, PackageError, UnknownNameError
from zoo.package import METRICS_FILE, Package

MakePackage = Callable[..., Package]

RN26, WRN16 = ("rn26", "rn26-aux", "rn26-ours"), ("wrn16", "wrn16-aux", "wrn16-ours")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", [*RN26, *WRN16]),
        ("wrn*", WRN16),
        ("wrn16", ["wrn16"]),
        ("*.cifar10", [*RN26, *WRN16]),
        ("*-ours.cifar*", ["rn26-ours", "wrn16-ours"]),
        (["*-aux", "rn26"], ["rn26", "rn26-aux", "wrn16-aux"]),
        ("*.cifar100", []),
        ("rn38*", []),
    ],
)
def test_trained_models_by_pattern(pattern: str | list[str], names: list[str]) -> None:
    assert zoo.list_models(pattern, pretrained=True) == [f"{name}.cifar10" for name in names]


def test_variants_by_several_patterns() -> None:
    assert zoo.list_models(["wrn16-*", "rn38"]) == ["rn38", "wrn16-aux", "wrn16-ours", "wrn16-2"]


def test_every_trained_model_loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_package: MakePackage) -> None:
    make_package("dn100", data="pets")
    make_package("wrn16", data="pets")
    monkeypatch.setenv("ZOO_WEIGHTS", str(tmp_path))
    names = zoo.list_models("*.pets", pretrained=True)
    assert names == ["wrn16.pets", "dn100.pets"]
    for name in names:
        assert zoo.load(name).config.name == name


def test_info_of_a_variant() -> None:
    assert zoo.info("wrn16-ours") == zoo.registry.info("wrn16-ours")
    assert zoo.info("wrn16-conv").is_control


def test_info_of_a_model() -> None:
    found = zoo.info("wrn16-ours.cifar10")
    assert found.name == "wrn16-ours.cifar10"
    assert found.variant is zoo.info("wrn16-ours")
    assert found.parameters == 1_302_648
    assert (found.num_classes, found.templates, found.input_size) == (10, 1, 32)
    assert found.classes[3] == "cat"
    assert found.path.name == found.name
    assert found.accuracy == found.metrics.scores["test"]["torch"].accuracy == 90.13
    assert found.metrics.training.data == "cifar10"


def test_info_of_a_model_directory(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours", classes=("a", "b", "c"), templates=2, size=40)
    found = zoo.info(f"local-dir:{package.path}")
    assert (found.num_classes, found.templates, found.input_size) == (3, 2, 40)
    assert found.parameters == sum(tensor.numel() for tensor in zoo.load(f"local-dir:{package.path}").parameters())
    assert found.accuracy is None
    assert found.metrics.training is None


def test_accuracies_of_other_weights_are_not_the_models(make_package: MakePackage) -> None:
    package = make_package()
    shipped = zoo.info("wrn16-ours.cifar10").path
    (package.path / METRICS_FILE).write_bytes((shipped / METRICS_FILE).read_bytes())
    assert zoo.info(f"local-dir:{package.path}").accuracy is None


@pytest.mark.parametrize("variant", STRUCTURES)
def test_info_of_a_network(variant: str) -> None:
    with torch.device("meta"):
        network = zoo.create(variant, num_classes=7)
    found = zoo.info(network)
    assert (found.name, found.config, found.path, found.accuracy, found.classes) == (variant, None, None, None, ())
    assert found.parameters == sum(tensor.numel() for tensor in network.parameters())


def test_info_of_a_loaded_network() -> None:
    network = zoo.load("wrn16-ours")
    found = zoo.info(network)
    assert (found.name, found.config) == ("wrn16-ours.cifar10", network.config)
    network.reset_classifier(3)
    assert (zoo.info(network).name, zoo.info(network).num_classes) == ("wrn16-ours", 3)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("wrn17", UnknownNameError, "did you mean wrn16"),
        ("wrn17.cifar10", UnknownNameError, "did you mean wrn16"),
        ("wrn16.cifar100", PackageError, "not available"),
        ("weights/wrn16.cifar10", BarePathError, "local-dir:"),
        ("local-dir:nowhere", PackageError, "there is no folder nowhere; check the path"),
        (nn.Linear(3, 3), InputError, "got a Linear"),
        (None, InputError, "got a NoneType"),
    ],
)
def test_what_there_is_no_info_of(model: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        zoo.info(model)
