from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import zoo
from training.data.images import LabelledImages
from training.recipe import Recipe
from training.start import start_network
from zoo.errors import InputError, PackageError, UnknownNameError
from zoo.package import Package


@pytest.fixture
def renamed(images: LabelledImages) -> LabelledImages:
    """The same number of classes with other names."""
    return LabelledImages(images.images, images.labels, tuple(f"kind {index}" for index in range(10)))


def test_random_weights_for_the_images(images: LabelledImages, tiny: Recipe) -> None:
    two = LabelledImages(images.images, images.labels % 2, ("no", "yes"))
    start = start_network("wrn16-ours", two, replace(tiny, assignment="bn_relu"))
    assert start.network.num_classes == 2
    assert start.network.block.assign.norm.num_features == 2
    assert start.normalization == two.normalization()
    assert start.network.normalize.mean.flatten().tolist() == pytest.approx(start.normalization.mean)
    assert start.weights == ""


def test_the_seed_decides(images: LabelledImages, tiny: Recipe) -> None:
    one, same, other = (
        start_network("wrn16", images, replace(tiny, seed=seed)).network.stem.weight for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_released_weights(images: LabelledImages, tiny: Recipe) -> None:
    released = zoo.load("wrn16-ours")
    start = start_network("wrn16-ours", images, replace(tiny, start_from="released"))
    torch.testing.assert_close(start.network.state_dict(), released.state_dict(), rtol=0, atol=0)
    assert start.weights == released.config.weights_sha256
    assert start.normalization == released.config.normalization


def test_for_other_classes_what_belongs_to_a_class_starts_anew(renamed: LabelledImages, tiny: Recipe) -> None:
    released = zoo.load("wrn16-ours").state_dict()
    start = start_network("wrn16-ours", renamed, replace(tiny, start_from="released"))
    by_class = start.network.class_tensors()
    same = {name for name, value in start.network.state_dict().items() if torch.equal(value, released[name])}
    assert same.isdisjoint({"classifier.weight", "block.keys.weight", "block.values.weight"})
    assert released.keys() - by_class <= same


def test_another_number_of_classes(images: LabelledImages, tiny: Recipe) -> None:
    three = LabelledImages(images.images, images.labels % 3, ("a", "b", "c"))
    network = start_network("wrn16-ours", three, replace(tiny, start_from="wrn16-ours.cifar10")).network
    assert network.num_classes == 3
    assert torch.equal(network.stem.weight, zoo.load("wrn16-ours").stem.weight)


def test_from_a_model_directory(images: LabelledImages, tiny: Recipe, make_package: Callable[..., Package]) -> None:
    package = make_package("rn26")
    start = start_network("rn26", images, replace(tiny, start_from=f"local-dir:{package.path}"))
    assert start.weights == package.config.weights_sha256


@pytest.mark.parametrize(
    ("variant", "start_from", "error", "message"),
    [
        ("wrn61", "", UnknownNameError, "did you mean wrn16"),
        ("wrn16", "wrn16-ours", InputError, "is a wrn16-ours, and wrn16 is to be trained"),
        ("rn38", "released", PackageError, r"there is no model 'rn38\.cifar10' here"),
    ],
)
def test_what_cannot_be_started_from(
    images: LabelledImages, tiny: Recipe, variant: str, start_from: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        start_network(variant, images, replace(tiny, start_from=start_from))
