import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors.torch import load_file, save_file
from support.variants import CONTROLS, STRUCTURES
from torch import Tensor, nn

import zoo
from zoo.errors import (
    BarePathError,
    DigestError,
    InputError,
    PackageError,
    UnknownNameError,
    WeightsMismatchError,
)
from zoo.files import sha256
from zoo.hub import open_model
from zoo.images.preprocess import Normalization
from zoo.package import CONFIG_FILE, WEIGHTS_FILE, ModelConfig, Package
from zoo.registry import AssignmentName

pytestmark = pytest.mark.slow

MakePackage = Callable[..., Package]

TRAINED = open_model("wrn16-ours")


def local(package: Package) -> str:
    return f"local-dir:{package.path}"


def rewrite_config(package: Package, **changes: object) -> None:
    (package.path / CONFIG_FILE).write_text(replace(package.config, **changes).to_json())


def assert_same_weights(network: zoo.Network, weights: dict[str, Tensor]) -> None:
    own = network.state_dict()
    assert own.keys() == weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(own[name], value, rtol=0, atol=0)


def test_create_gives_another_network_for_another_seed_in_training_mode() -> None:
    torch.manual_seed(0)
    one, other = zoo.create("wrn16-ours"), zoo.create("wrn16-ours")
    assert one.training
    assert one.config is None
    assert not torch.equal(one.stem.weight, other.stem.weight)


def test_create_with_bn_relu_and_another_normalization() -> None:
    normalization = Normalization(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    network = zoo.create("wrn16-ours", num_classes=3, assignment="bn_relu", normalization=normalization)
    assert network.block.assign.norm.num_features == 3
    torch.testing.assert_close(network.normalize.std.flatten(), torch.tensor([0.2, 0.3, 0.4]))


@pytest.mark.parametrize(
    ("variant", "templates", "message"),
    [
        ("wrn16-ours", 0, "templates = 0: must be from 1"),
        ("wrn16-ours", 257, "templates = 257: must be from 1 to 256"),
        ("wrn16-aux", 2, "templates = 2: wrn16-aux has no semantic block"),
        ("wrn16", 2, "templates = 2: wrn16 has no semantic block"),
    ],
)
def test_a_number_of_templates_that_is_not_possible(variant: str, templates: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zoo.create(variant, templates=templates)


def test_several_templates_are_loaded_and_kept_for_other_classes(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours", templates=3)
    network = zoo.load(local(package))
    assert network.config.templates == 3
    assert_same_weights(network, load_file(package.weights()))
    other = zoo.load(local(package), num_classes=7)
    assert other.block.keys.out_channels == 21
    assert {name for name in network.class_tensors() if name.startswith("block.")} == {
        "block.keys.weight",
        "block.keys.bias",
        "block.assign.gamma",
        "block.assign.beta",
        "block.values.weight",
    }


def test_weights_with_another_number_of_templates_are_refused(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours", templates=3)
    rewrite_config(package, templates=256)
    with pytest.raises(WeightsMismatchError, match="they have 30 templates, the file names 10 classes of 256"):
        zoo.load(local(package))


def test_create_with_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean wrn16"):
        zoo.create("wrn17")


def test_create_with_an_unknown_assignment() -> None:
    with pytest.raises(UnknownNameError, match="unknown assignment 'argmax'"):
        zoo.create("wrn16-ours", assignment="argmax")  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [1, 0, -3])
def test_a_classifier_has_at_least_2_classes(classes: int) -> None:
    with pytest.raises(InputError, match=f"num_classes = {classes}: a classifier needs at least 2"):
        zoo.create("wrn16", num_classes=classes)


@pytest.mark.parametrize(("pretrained", "classes"), [(True, 1), (True, -1), (False, 1), (False, 0)])
def test_load_refuses_a_number_of_classes_as_create_does(pretrained: bool, classes: int) -> None:
    with pytest.raises(InputError, match=f"num_classes = {classes}"):
        zoo.load("wrn16-ours", pretrained=pretrained, num_classes=classes)


def test_load_gives_the_shipped_weights() -> None:
    network = zoo.load("wrn16-ours", pretrained=True)
    assert not network.training
    assert network.config.name == "wrn16-ours.cifar10"
    assert network.config.classes[3] == "cat"
    torch.testing.assert_close(network.normalize.mean.flatten(), torch.tensor(network.config.normalization.mean))


@pytest.mark.parametrize(("name", "pretrained"), [("wrn16-ours.cifar10", True), ("wrn16-ours", "cifar10")])
def test_other_ways_to_name_the_same_weights(name: str, pretrained: bool | str) -> None:
    assert_same_weights(zoo.load(name, pretrained=pretrained), zoo.load("wrn16-ours").state_dict())


def test_load_without_weights() -> None:
    network = zoo.load("wrn16-ours", pretrained=False, num_classes=7)
    assert not network.training
    assert network.config is None
    assert network.num_classes == 7
    assert not torch.equal(network.stem.weight, zoo.load("wrn16-ours").stem.weight)


def test_weights_trained_on_another_data_set_that_are_not_here() -> None:
    with pytest.raises(PackageError, match=r"model 'wrn16-ours\.cifar100' is not available"):
        zoo.load("wrn16-ours", pretrained="cifar100")


@pytest.mark.parametrize("name", ["wrn16-ours.cifar10", "local-dir:x", "hf-hub:org/name"])
def test_weights_are_named_once(name: str) -> None:
    with pytest.raises(InputError, match=r"already .*; leave out pretrained='cifar10'"):
        zoo.load(name, pretrained="cifar10")


@pytest.mark.parametrize("variant", ["rn26", "wrn16-aux", "wrn16-ours", "dn100-ours-c"])
def test_load_from_a_folder(variant: str, make_package: MakePackage) -> None:
    package = make_package(variant)
    network = zoo.load(local(package))
    assert network.config == package.config
    assert_same_weights(network, load_file(package.weights()))


def test_another_number_of_classes_keeps_the_trunk(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    weights = load_file(package.weights())
    network = zoo.load(local(package), num_classes=23)
    assert network.num_classes == 23
    by_class = network.class_tensors()
    for name, value in network.state_dict().items():
        if name in by_class:
            assert 23 in value.shape
        else:
            torch.testing.assert_close(value, weights[name], rtol=0, atol=0)


def test_half_precision_files_load_in_single_precision(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours", half=True)
    stored = load_file(package.weights())
    assert stored["stem.weight"].dtype == torch.float16
    network = zoo.load(local(package))
    assert network.stem.weight.dtype == torch.float32
    torch.testing.assert_close(network.stem.weight, stored["stem.weight"].float(), rtol=0, atol=0)
    assert network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).isfinite().all()


@pytest.mark.parametrize("path", ["weights/wrn16-ours.cifar10", "./wrn16-ours", "~/wrn16-ours", "/tmp", "a\\b", ""])
@pytest.mark.parametrize("pretrained", [True, False])
def test_a_bare_path_is_refused(path: str, pretrained: bool) -> None:
    with pytest.raises(BarePathError, match=r"is not a model name.*; .* local-dir:"):
        zoo.load(path, pretrained=pretrained)


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(PackageError, match=r"^there is no folder nowhere; check the path .* hf-hub:ORG/NAME$"):
        zoo.load("local-dir:nowhere")


def test_weights_that_are_not_there(make_package: MakePackage) -> None:
    package = make_package()
    (package.path / WEIGHTS_FILE).unlink()
    with pytest.raises(PackageError, match=r"has no model\.safetensors"):
        zoo.load(local(package))


def test_a_tampered_weights_file(make_package: MakePackage) -> None:
    package = make_package()
    content = bytearray((package.path / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (package.path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(DigestError, match="damaged or was replaced") as caught:
        zoo.load(local(package))
    assert package.config.weights_sha256 in str(caught.value)
    assert sha256(package.path / WEIGHTS_FILE) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"\xff" * 100])
def test_a_file_that_is_not_safetensors(content: bytes, make_package: MakePackage) -> None:
    package = make_package()
    (package.path / WEIGHTS_FILE).write_bytes(content)
    rewrite_config(package, weights_sha256=sha256(package.path / WEIGHTS_FILE))
    with pytest.raises(WeightsMismatchError, match="is not a safetensors file"):
        zoo.load(local(package))


def test_weights_of_another_variant(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    rewrite_config(package, variant="wrn16")
    with pytest.raises(WeightsMismatchError, match=r"(?s)do not match wrn16: .*block\.keys\.weight"):
        zoo.load(local(package))


def test_weights_for_another_number_of_classes(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    rewrite_config(package, classes=("cat", "dog"))
    with pytest.raises(WeightsMismatchError, match="10 classes, the file names 2"):
        zoo.load(local(package))


@pytest.mark.parametrize("classes", [None, 23])
@pytest.mark.parametrize(
    ("change", "tensor"),
    [
        ({"normalization": Normalization(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))}, "normalize.mean"),
        ({"assignment": "softmax_no_slack"}, "block.assign.none_logit"),
    ],
)
def test_weights_that_answer_otherwise_than_the_configuration_says(
    change: dict[str, object], tensor: str, classes: int | None, make_package: MakePackage
) -> None:
    package = make_package("wrn16-ours")
    rewrite_config(package, **change)
    with pytest.raises(WeightsMismatchError, match=rf"{re.escape(tensor)} is .*, in the file .*; fetch or train"):
        zoo.load(local(package), num_classes=classes)


@pytest.mark.parametrize("assignment", ["softmax", "softmax_no_slack", "bn_relu"])
@pytest.mark.parametrize("variant", [*STRUCTURES, *CONTROLS])
def test_a_state_carries_all_that_the_answers_depend_on(variant: str, assignment: AssignmentName) -> None:
    """Loaded into a network that was made in another way, it gives the same answers, or is refused."""
    normalization = Normalization(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    network = zoo.create(variant, assignment=assignment, normalization=normalization).eval()
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for other in get_args(AssignmentName):
        made = zoo.create(variant, assignment=other).eval()
        if made.state_dict().keys() != network.state_dict().keys():
            with pytest.raises(RuntimeError, match=r"Missing key.*block\.assign"):
                made.load_state_dict(network.state_dict())
            continue
        made.load_state_dict(network.state_dict())
        with torch.inference_mode():
            assert torch.equal(made(pixels), network(pixels))


def test_weights_without_one_tensor(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    weights = load_file(package.weights())
    del weights["block.assign.gamma"]
    save_file(weights, package.path / WEIGHTS_FILE)
    rewrite_config(package, weights_sha256=sha256(package.path / WEIGHTS_FILE))
    for classes in (None, 23):
        with pytest.raises(WeightsMismatchError, match=r"block\.assign\.gamma"):
            zoo.load(local(package), num_classes=classes)


def test_a_configuration_of_an_unknown_variant(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    rewrite_config(package, variant="wrn15-ours")
    with pytest.raises(UnknownNameError, match="did you mean wrn16-ours"):
        zoo.load(local(package))


def test_the_configuration_decides_the_assignment(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    torch.manual_seed(0)
    network = zoo.create("wrn16-ours", assignment="bn_relu")
    save_file(network.state_dict(), package.path / WEIGHTS_FILE)
    rewrite_config(package, assignment="bn_relu", weights_sha256=sha256(package.path / WEIGHTS_FILE))
    loaded = zoo.load(local(package))
    assert isinstance(loaded.config, ModelConfig)
    assert_same_weights(loaded, network.state_dict())


def test_loading_leaves_the_random_state_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    zoo.load("wrn16-ours")
    assert torch.equal(torch.rand(3), expected)


def test_new_classes_are_drawn_anew() -> None:
    first, second = (zoo.load("wrn16-ours", num_classes=3).classifier.weight for _ in range(2))
    assert not torch.equal(first, second)


def test_auto_model_gives_what_load_gives() -> None:
    network = zoo.AutoModel.from_pretrained(TRAINED.path)
    expected = zoo.load("wrn16-ours")
    assert network.config == expected.config
    assert not network.training
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=0, atol=0)


def test_auto_model_with_another_number_of_classes() -> None:
    network = zoo.AutoModel.from_pretrained(str(TRAINED.path), num_classes=3)
    assert network.num_classes == 3


def test_auto_model_of_a_folder_that_is_no_model_directory(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=f"is not a model directory: {CONFIG_FILE}"):
        zoo.AutoModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"), [("[1]", "is not a model configuration"), ("{", "is not a model configuration")]
)
def test_auto_model_of_a_config_of_another_form(config: str, message: str, tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text(config)
    with pytest.raises(PackageError, match=message):
        zoo.AutoModel.from_pretrained(tmp_path)


def test_auto_model_of_a_name_that_is_none() -> None:
    with pytest.raises(PackageError, match="is not a repository name"):
        zoo.AutoModel.from_pretrained("a/-b")


@pytest.mark.parametrize("name", ["weights/x", "./x", "a/b/c", "x", "~/x", Path("a/b")])
def test_auto_model_does_not_ask_the_hub_for_a_mistyped_folder(
    name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.networks.load.fetch", None)
    with pytest.raises(PackageError, match=r"^there is no folder .*x|^there is no folder a/b"):
        zoo.AutoModel.from_pretrained(name)


def test_other_classes_of_the_hub_mixin_read_a_model_directory_too(capsys: pytest.CaptureFixture[str]) -> None:
    class Head(nn.Module, PyTorchModelHubMixin):
        """Only the last layer, by somebody who knows nothing of the zoo."""

        def __init__(self, classes: list[str]) -> None:
            super().__init__()
            self.classifier = nn.Linear(128, len(classes))

    head = Head.from_pretrained(TRAINED.path, strict=False)
    torch.testing.assert_close(head.classifier.weight, zoo.load("wrn16-ours").classifier.weight, rtol=0, atol=0)
