import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.errors import AmbiguousNameError, BarePathError, PackageError, UnknownNameError
from zoo.hub import DEFAULT_MODEL, local_models, model_name, open_model, refuse_path
from zoo.package import Package

MakePackage = Callable[..., Package]

REVISION = "0123456789abcdef0123456789abcdef01234567"


def cache_on_hub(make_package: MakePackage, repository: str, variant: str, data: str = "cifar10") -> Package:
    """A repository as huggingface_hub leaves it in its cache after a download."""
    folder = Path(os.environ["HF_HOME"], "hub", f"models--{repository.replace('/', '--')}")
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(REVISION)
    return make_package(variant, data=data, folder=folder / "snapshots" / REVISION)


def test_the_default_model_is_shipped() -> None:
    package = open_model(DEFAULT_MODEL)
    assert package.config.name == DEFAULT_MODEL
    assert package.path == Path(__file__).resolve().parents[3] / "weights" / DEFAULT_MODEL
    assert package.weights().is_file()
    assert package.onnx() is not None


def test_a_variant_means_its_model_of_cifar10() -> None:
    assert open_model("wrn16-ours") == open_model("wrn16-ours.cifar10")


def test_a_variant_means_its_only_model(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_WEIGHTS", str(tmp_path))
    package = make_package("rn38", data="pets")
    assert open_model("rn38") == package
    make_package("rn38", data="birds")
    with pytest.raises(AmbiguousNameError, match=r"ambiguous model 'rn38': .* rn38\.birds, rn38\.pets"):
        open_model("rn38")
    default = make_package("rn38")
    assert open_model("rn38") == default


@pytest.mark.parametrize(
    ("reference", "name"),
    [("rn26", "rn26.cifar10"), ("rn26.", "rn26.cifar10"), ("dn100-ours-c.my.data", "dn100-ours-c.my.data")],
)
def test_model_name(reference: str, name: str) -> None:
    assert model_name(reference) == name


def test_the_chosen_folder_is_searched_first(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_package("wrn16-ours")
    assert open_model("wrn16-ours").path != own.path
    monkeypatch.setenv("ZOO_WEIGHTS", str(tmp_path))
    assert open_model("wrn16-ours") == own


def test_the_shipped_models_are_found_beside_a_chosen_folder(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_package("rn26", data="pets")
    (tmp_path / "notes").mkdir()
    shipped = local_models()
    assert DEFAULT_MODEL in shipped
    monkeypatch.setenv("ZOO_WEIGHTS", str(tmp_path))
    assert local_models() == sorted(["rn26.pets", *shipped])
    assert open_model("rn26.pets").config.data == "pets"
    assert open_model(DEFAULT_MODEL).config.name == DEFAULT_MODEL


def test_a_chosen_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_WEIGHTS", "/nowhere")
    assert open_model(DEFAULT_MODEL).config.name == DEFAULT_MODEL


def test_the_home_folder_is_understood(make_package: MakePackage, monkeypatch: pytest.MonkeyPatch) -> None:
    package = make_package("wrn16-ours")
    monkeypatch.setenv("HOME", str(package.path.parent))
    assert open_model("local-dir:~/wrn16-ours.cifar10") == package
    monkeypatch.setenv("ZOO_WEIGHTS", "~")
    assert open_model("wrn16-ours") == package


def test_a_model_that_is_not_here() -> None:
    with pytest.raises(PackageError) as caught:
        open_model("dn100-ours.mini-imagenet")
    message = str(caught.value)
    assert "model 'dn100-ours.mini-imagenet' is not available" in message
    assert DEFAULT_MODEL in message
    assert "was not released with this version" in message
    assert "`zoo train dn100-ours --data mini-imagenet`" in message
    assert "hf-hub:ORG/NAME@REVISION" in message
    assert "set ZOO_HUB_ORG to an organisation that has it" in message


def test_an_unknown_variant_comes_with_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown variant 'wrn16-hours'; did you mean wrn16-ours"):
        open_model("wrn16-hours.cifar10")


@pytest.mark.parametrize("path", ["weights/x", "./x", "~/x", "..", "C:\\x", ""])
def test_a_bare_path(path: str) -> None:
    with pytest.raises(BarePathError, match=r"local-dir:.* hf-hub:ORG/NAME"):
        open_model(path)


@pytest.mark.parametrize("name", ["rn26", "rn26.cifar10", "dn100-ours-c"])
def test_a_name_is_no_path(name: str) -> None:
    refuse_path(name)


def test_a_name_that_was_not_released_is_not_looked_up_on_the_hub(make_package: MakePackage) -> None:
    """Whoever takes it there changes nothing here."""
    cache_on_hub(make_package, "template-zoo/rn38-ours.cached", "rn38-ours", "cached")
    with pytest.raises(PackageError, match=r"model 'rn38-ours\.cached' is not available"):
        open_model("rn38-ours.cached")


@pytest.mark.parametrize("revision", ["", "@main", f"@{REVISION}"])
def test_a_repository_in_the_hubs_cache(revision: str, make_package: MakePackage) -> None:
    organization = f"org{len(revision)}"
    package = cache_on_hub(make_package, f"{organization}/model", "wrn16")
    assert open_model(f"hf-hub:{organization}/model{revision}") == package


@pytest.mark.parametrize("revision", ["", "@v2"])
def test_a_repository_that_cannot_be_reached(revision: str) -> None:
    with pytest.raises(PackageError, match=rf"org/absent{revision} is not fully cached .*, and HF_HUB_OFFLINE"):
        open_model(f"hf-hub:org/absent{revision}")


@pytest.mark.parametrize("name", ["a/b/c", "", "org/na me", "-x"])
def test_what_is_no_repository(name: str) -> None:
    with pytest.raises(PackageError, match="is not a repository name"):
        open_model(f"hf-hub:{name}")


def test_a_repository_that_is_no_model_directory(make_package: MakePackage) -> None:
    package = cache_on_hub(make_package, "org/other", "wrn16")
    (package.path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(PackageError, match="is not a model configuration: variant: Field required"):
        open_model("hf-hub:org/other")
