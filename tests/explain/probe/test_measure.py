from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from support.closeness import assert_alike

from explain.probe.diagnostics import mixture_strength
from explain.probe.measure import ProbeSettings, probe_block
from explain.probe.models import OnnxBlockModel, TorchBlockModel
from export.onnx_file import export_network
from training.data.images import LabelledImages
from zoo.errors import InputError, PackageError
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Pixels
from zoo.networks.load import create, load_package
from zoo.outputs import Array
from zoo.package import ModelConfig
from zoo.runtime import Precision

CLASSES, COUNT = 4, 40
SETTINGS = ProbeSettings("made", "held-out", 0, "of nothing")


@pytest.fixture
def images() -> LabelledImages:
    """Pixels without meaning; an image's first pixel is its number."""
    pixels = torch.zeros(COUNT, 3, 32, 32, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(COUNT)
    return LabelledImages(pixels, torch.arange(COUNT) % CLASSES, tuple("abcd"))


@dataclass(frozen=True)
class Made:
    """A model that answers by its block (`listens`) or by the pixels alone; every fifth image it takes for the next."""

    listens: bool
    templates: int = 1

    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        number = pixels[:, 0, 0, 0].astype(int)
        seen = (number + (number % 5 == 0)) % CLASSES
        own = np.zeros((len(pixels), CLASSES + 1, 2, 2), np.float32)
        own[np.arange(len(pixels)), seen] = 0.75
        own[:, -1] = 0.25
        if self.templates > 1:  # only the last template of a class takes patches
            by_template = np.zeros((len(pixels), CLASSES * self.templates + 1, 2, 2), np.float32)
            by_template[:, self.templates - 1 :: self.templates] = own[:, :-1]
            by_template[:, -1] = own[:, -1]
            given = by_template if assignment is None else assignment
            classes = given[:, :-1].reshape(len(pixels), CLASSES, self.templates, 2, 2).sum(axis=2)
            assignment = np.concatenate([classes, given[:, -1:]], axis=1)
        used = own if assignment is None or not self.listens else assignment
        own = by_template if self.templates > 1 else own
        return used[:, :-1].sum(axis=(2, 3)) + 1e-3 * np.eye(CLASSES, dtype=np.float32)[seen], own


def test_a_network_that_listens(images: LabelledImages) -> None:
    found = probe_block(Made(listens=True), images, SETTINGS)
    assert found.accuracy == 80
    assert found.used
    assert found.errors_removed[0] == 100
    assert found.effects["true class"].difference == (20, *found.effects["true class"].difference[1:])
    assert found.effects["wrong class"].accuracy == 0
    assert found.effects["silenced"].changed[0] == 0
    assert found.effects["mean"].changed[0] == 0
    assert found.effects["swapped"].changed[0] > 50
    low, high = found.effects["true class"].difference[1:]
    assert 0 < low < 20 < high < 40


def test_a_network_that_does_not_listen(images: LabelledImages) -> None:
    found = probe_block(Made(listens=False), images, SETTINGS)
    assert not found.used
    assert found.errors_removed == (0, 0, 0)
    assert all(effect.changed == (0, 0, 0) for effect in found.effects.values())


def test_what_the_maps_say(images: LabelledImages) -> None:
    found = probe_block(Made(listens=True), images, SETTINGS)
    assert found.none == {"lowest": 0.25, "median": 0.25, "mean": 0.25, "highest": 0.25}
    assert found.between_images == 1
    assert found.one_class == 100


def test_several_templates_are_replaced_one_by_one(images: LabelledImages) -> None:
    seen: list[Array] = []
    made = Made(listens=True, templates=3)

    def model(pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        if assignment is not None:
            seen.append(assignment)
        return made(pixels, assignment)

    found = probe_block(model, images, SETTINGS)
    one = probe_block(Made(listens=True), images, SETTINGS)
    assert found.effects == one.effects
    assert (found.none, found.between_images, found.one_class) == (one.none, one.between_images, one.one_class)
    silenced, mean, swapped, true, _ = seen
    assert (silenced[:, -1] == 1).all()
    assert not silenced[:, :-1].any()
    assert not mean[:, 0].any()
    assert mean[:, 2].all()
    assert set(np.unique(swapped[:, :-1])) == {0, 0.75}
    labels = images.labels.numpy()
    for template in range(3):
        np.testing.assert_allclose(true[np.arange(COUNT), 3 * labels + template], 1 / 3)
    np.testing.assert_allclose(true.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_onnx_file_of_several_templates_cut_open(tmp_path: Path, precision: Precision) -> None:
    torch.manual_seed(0)
    network = create("wrn16-ours", num_classes=4, templates=3).eval()
    config = ModelConfig("wrn16-ours", "made", tuple("abcd"), 32, CIFAR10_NORMALIZATION, "0" * 64, templates=3)
    export_network(network, config, tmp_path / "model.onnx", precision)
    onnx, reference = OnnxBlockModel.open(tmp_path / "model.onnx"), TorchBlockModel(network)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    given = generator.dirichlet(np.ones(13), (3, 8, 8)).transpose(0, 3, 1, 2).astype(np.float32)
    for assignment in (None, given):
        logits, shares = onnx(pixels, assignment)
        expected, own = reference(pixels, assignment)
        tolerance = 1e-3 if precision == "fp32" else 0.05
        np.testing.assert_allclose(logits, expected, atol=tolerance)
        assert shares.shape == own.shape == (3, 13, 8, 8)
    assert np.abs(reference(pixels, given)[0] - reference(pixels)[0]).max() > 0.1


def test_without_errors_none_can_go(images: LabelledImages) -> None:
    right = LabelledImages(images.images[1:4], images.labels[1:4], images.classes)
    with pytest.raises(InputError, match="classified correctly"):
        probe_block(Made(listens=True), right, SETTINGS)


def test_one_image_cannot_be_swapped(images: LabelledImages) -> None:
    one = LabelledImages(images.images[:1], images.labels[:1], images.classes)
    with pytest.raises(InputError, match="more images"):
        probe_block(Made(listens=True), one, SETTINGS)


def test_the_onnx_file_cut_open_answers_as_the_network() -> None:
    package = open_model(DEFAULT_MODEL)
    network = TorchBlockModel(load_package(package))
    onnx = OnnxBlockModel.open(package.path / "model.onnx")
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    given = generator.dirichlet(np.ones(11), (3, 8, 8)).transpose(0, 3, 1, 2).astype(np.float32)
    for assignment in (None, given):
        actual, expected = onnx(pixels, assignment), network(pixels, assignment)
        compared = None if assignment is None else 1  # the assignment that was given is the caller's
        assert_alike(actual[:compared], expected[:compared])
    assert np.abs(network(pixels, given)[0] - network(pixels)[0]).max() > 1e-3


def test_a_file_without_an_assignment_cannot_be_cut_open(tmp_path_factory: pytest.TempPathFactory) -> None:
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("image", "logits")]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["logits"])], "g", values[:1], values[1:])
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
    with pytest.raises(PackageError, match="semantic block"):
        OnnxBlockModel.open(file)


def test_the_strength_is_that_of_the_mixture(images: LabelledImages, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_package(open_model(DEFAULT_MODEL))
    before, vectors = mixture_strength(network, images), network.block.class_vectors()
    with torch.no_grad():
        network.block.values.weight.mul_(2)
    assert mixture_strength(network, images) == pytest.approx(before, rel=1e-2)
    monkeypatch.setattr(network.block, "class_vectors", lambda: 2 * vectors)
    assert mixture_strength(network, images) == pytest.approx(2 * before, rel=1e-2)
