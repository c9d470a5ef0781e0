from dataclasses import dataclass

import numpy as np
import pytest
import torch
from support.closeness import assert_alike

from explain.probe.diagnostics import mixture_strength
from explain.probe.measure import ProbeSettings, probe_block
from explain.probe.models import OnnxBlockModel, TorchBlockModel
from training.data.images import LabelledImages
from zoo.errors import InputError, PackageError
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.preprocess import Pixels
from zoo.networks.load import load_package
from zoo.outputs import Array

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

    def __call__(self, pixels: Pixels, assignment: Array | None = None) -> tuple[Array, Array]:
        number = pixels[:, 0, 0, 0].astype(int)
        seen = (number + (number % 5 == 0)) % CLASSES
        own = np.zeros((len(pixels), CLASSES + 1, 2, 2), np.float32)
        own[np.arange(len(pixels)), seen] = 0.75
        own[:, -1] = 0.25
        used = own if assignment is None or not self.listens else assignment
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
