import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.variants import CONTROLS, STRUCTURES
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

import zoo
from export.onnx_file import export_onnx
from export.verify import verify
from zoo.errors import InputError, UnknownNameError
from zoo.files import sha256
from zoo.hub.publishable import require_publishable
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Normalization
from zoo.networks import resnet
from zoo.package import CARD_FILE, CONFIG_FILE, ONNX_FILES, WEIGHTS_FILE, Package
from zoo.predictors.onnx import OnnxPredictor

pytestmark = pytest.mark.slow

Pixels = Callable[..., Tensor]

CLASSES = ("ant", "bee", "cow")


def create(variant: str = "wrn16-ours", **options: object) -> zoo.Network:
    torch.manual_seed(0)
    return zoo.create(variant, **{"num_classes": 3, **options})


def load(package: Package) -> zoo.Network:
    return zoo.load(f"local-dir:{package.path}")


def assert_same_answers(network: zoo.Network, saved: zoo.Network, pixels: Tensor) -> None:
    with torch.inference_mode():
        expected, found = network.eval().predict(pixels), saved.predict(pixels)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("variant", [*STRUCTURES, *CONTROLS])
def test_a_saved_network_gives_the_same_answers(variant: str, tmp_path: Path, pixels: Pixels) -> None:
    network = create(variant)
    network(pixels(4))  # in training mode: statistics
    package = zoo.save(network, tmp_path / "runs" / "farm", classes=CLASSES, data="farm")
    assert package.config.name == f"{variant}.farm"
    assert package.config.classes == CLASSES
    assert package.config.weights_sha256 == sha256(package.path / WEIGHTS_FILE)
    assert {file.name for file in package.path.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, CARD_FILE}
    assert [folder.name for folder in (tmp_path / "runs").iterdir()] == ["farm"]
    assert network.training
    assert network.config is None
    assert_same_answers(network, load(package), pixels(2))


@pytest.mark.parametrize("assignment", ["softmax", "softmax_no_slack", "bn_relu"])
@pytest.mark.parametrize("templates", [1, 2])
def test_all_settings_are_kept(assignment: str, templates: int, tmp_path: Path, pixels: Pixels) -> None:
    normalization = Normalization(mean=(0.5, 0.4, 1 / 3), std=(0.2, 0.3, 0.4))
    network = create(assignment=assignment, templates=templates, normalization=normalization)
    network.input_size = 40
    package = zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")
    config = package.config
    assert (config.assignment, config.templates, config.input_size) == (assignment, templates, 40)
    assert config.normalization.std == normalization.std
    assert config.normalization.mean == pytest.approx(normalization.mean, rel=1e-7)
    saved = load(package)
    assert saved.input_size == 40
    assert_same_answers(network, saved, pixels(2, 40))


def test_settings_of_loaded_weights_are_kept(tmp_path: Path, pixels: Pixels) -> None:
    """Not those that the network was made with."""
    network = create(assignment="softmax")
    other = create(assignment="softmax_no_slack", normalization=Normalization((0.1, 0.2, 0.3), (0.5, 0.5, 0.5)))
    network.load_state_dict(other.state_dict())
    package = zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")
    assert package.config.assignment == "softmax_no_slack"
    assert package.config.normalization.mean == (0.1, 0.2, 0.3)
    assert_same_answers(other, load(package), pixels(2))


def test_a_network_with_new_classes_is_saved(tmp_path: Path, pixels: Pixels) -> None:
    network = zoo.load("wrn16-ours", num_classes=3)
    package = zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")
    assert package.config.normalization == zoo.load("wrn16-ours").config.normalization
    assert_same_answers(network, load(package), pixels(2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_networks_of_other_precision(dtype: torch.dtype, tmp_path: Path, pixels: Pixels) -> None:
    network = create().to(dtype)
    package = zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")
    stored = load_file(package.path / WEIGHTS_FILE)["stem.weight"].dtype
    assert stored == (torch.float32 if dtype == torch.float64 else dtype)
    assert_same_answers(network.float(), load(package), pixels(2))


def test_networks_within_wrappers_of_training_loops(tmp_path: Path) -> None:
    network = create("wrn16")
    wrappers = [nn.DataParallel(network), AveragedModel(network), torch.compile(network)]
    for index, wrapper in enumerate([*wrappers, nn.DataParallel(torch.compile(network))]):
        package = zoo.save(wrapper, tmp_path / f"{index}", classes=CLASSES, data="farm")
        assert package.config.weights_sha256 == sha256(package.path / WEIGHTS_FILE)
        assert torch.equal(load(package).stem.weight, network.stem.weight)


def test_a_saved_network_exports_and_can_be_published(tmp_path: Path, pixels: Pixels) -> None:
    package = zoo.save(create(), tmp_path / "farm", classes=CLASSES, data="farm")
    export_onnx(package, package.path / ONNX_FILES["fp32"])
    given = pixels(8).numpy()
    verify(package, given)
    require_publishable(package)
    prediction = OnnxPredictor.open(package)(given)
    expected = load(package)(torch.from_numpy(given)).detach().numpy()
    np.testing.assert_allclose(prediction.logits, expected, rtol=1e-3, atol=1e-3)


def test_an_empty_folder_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
    zoo.save(create("wrn16"), tmp_path / "one", classes=CLASSES, data="farm")
    monkeypatch.chdir(tmp_path / "two")
    zoo.save(create("wrn16"), ".", classes=CLASSES, data="farm")
    assert all(Package.open(tmp_path / name).weights() for name in ("one", "two"))


def test_a_folder_with_files_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=r"not empty|is a file"):
            zoo.save(create("wrn16"), folder, classes=CLASSES, data="farm")
    with pytest.raises(InputError, match="cannot write"):
        zoo.save(create("wrn16"), tmp_path / "notes.txt" / "farm", classes=CLASSES, data="farm")
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat", "dog"), r"2 classes were given \(cat, dog\), but the network has 3"),
        (("cat", "dog", "dog"), "distinct"),
        ((), "0 classes"),
        ("cat", "list of names"),
        ((0, 1, 2), "list of names"),
        (("cat", "dog", ""), "list of names"),
        (None, "list of names"),
        (3, "list of names"),
    ],
)
def test_classes_that_are_not_the_networks(classes: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        zoo.save(create("wrn16"), tmp_path / "farm", classes=classes, data="farm")
    assert not (tmp_path / "farm").exists()


def test_names_of_classes_may_come_in_any_sequence(tmp_path: Path) -> None:
    for index, names in enumerate((list(CLASSES), dict.fromkeys(CLASSES), np.array(CLASSES), iter(CLASSES))):
        package = zoo.save(create("wrn16"), tmp_path / f"{index}", classes=names, data="farm")
        assert json.loads((package.path / CONFIG_FILE).read_bytes())["classes"] == list(CLASSES)


@pytest.mark.parametrize("data", ["", "my pets", "a/b", "x" * 97, None, Path("farm")])
def test_data_that_is_no_short_name(data: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data = "):
        zoo.save(create("wrn16"), tmp_path / "farm", classes=CLASSES, data=data)


@pytest.mark.parametrize("size", [16, 5000])
def test_an_input_size_that_is_not_possible(size: int, tmp_path: Path) -> None:
    network = create("wrn16")
    network.input_size = size
    with pytest.raises(InputError, match=f"input_size = {size}"):
        zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["stem.weight", "norm.running_var", "block.assign.gamma"])
def test_weights_that_are_not_finite(name: str, value: float, tmp_path: Path) -> None:
    network = create()
    network.state_dict()[name].view(-1)[0] = value
    with pytest.raises(InputError, match=f"1 of .* not finite: {name}"):
        zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")
    assert not (tmp_path / "farm").exists()


def replaced_stem() -> nn.Module:
    network = create("wrn16")
    network.stem = nn.Conv2d(3, 16, 5, padding=2, bias=False)
    return network


def replaced_activation() -> nn.Module:
    network = create("wrn16")
    network.stages[0][0].body[2] = nn.GELU()
    return network


def replaced_head() -> nn.Module:
    network = create("wrn16-ours")
    network.classifier = nn.Linear(128, 5)
    return network


def without_head() -> nn.Module:
    network = create("wrn16-ours")
    network.reset_classifier(0)
    return network


def without_weights() -> nn.Module:
    with torch.device("meta"):
        return create("wrn16")


def built_directly() -> nn.Module:
    return resnet.build_wide(zoo.info("wrn16"), 3, "softmax", CIFAR10_NORMALIZATION)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(3, 3), "Linear is not a network of the zoo"),
        (lambda: nn.DataParallel(nn.Linear(3, 3)), "DataParallel is not a network"),
        (lambda: zoo.Backbone(create("wrn16")), "Backbone is not a network"),
        (lambda: "wrn16", "str is not a network"),
        (built_directly, "variant of this Network is not known"),
        (replaced_stem, r"other layers than wrn16: .*stem\.weight"),
        (replaced_activation, "other logits than a wrn16"),
        (replaced_head, "classifier has 5 classes"),
        (without_head, "classifier is a Identity"),
        (without_weights, "meta"),
    ],
)
def test_networks_that_are_not_of_the_zoo(make: Callable[[], nn.Module], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        zoo.save(make(), tmp_path / "farm", classes=CLASSES, data="farm")
    assert not (tmp_path / "farm").exists()


def test_a_variant_that_is_not_registered_any_more(tmp_path: Path) -> None:
    network = copy.deepcopy(create("wrn16"))
    network.variant = "wrn16-mine"
    with pytest.raises(UnknownNameError, match="wrn16-mine"):
        zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")


def test_saving_draws_no_random_numbers(tmp_path: Path) -> None:
    network = create("wrn16")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    zoo.save(network, tmp_path / "farm", classes=CLASSES, data="farm")
    assert torch.equal(torch.rand(3), expected)
