from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.recorded_step import record
from support.training import train

from training.data.images import LabelledImages
from training.feed import BatchStream
from training.loop import make_optimizer
from training.model import start_network
from training.processes import join_processes
from training.prototypes import start_prototypes
from training.recipe import Recipe
from zoo.errors import InputError
from zoo.networks.network import Network
from zoo.package import Package

pytestmark = pytest.mark.slow

First = Callable[[int], LabelledImages]


@pytest.fixture
def pooled(tiny: Recipe) -> Recipe:
    return replace(tiny, epochs=2, pooling="gsp")


def started(images: LabelledImages, recipe: Recipe, rank: int = 0, processes: int = 1) -> Network:
    fabric, _ = join_processes("cpu")
    network = start_network("wrn16", images, recipe).network
    start_prototypes(network, BatchStream(images, recipe, fabric.device, rank, processes), fabric)
    return network


def test_prototypes_are_patches_of_the_first_batch(first: First, pooled: Recipe) -> None:
    images = first(64)
    before = start_network("wrn16", images, pooled).network.state_dict()
    network = started(images, pooled)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"pooling.prototypes"}
    distances = torch.cdist(network.pooling.prototypes, network.pooling.prototypes)
    assert len(network.pooling.prototypes.unique(dim=0)) == 64
    assert (network.pooling.prototypes.norm(dim=1) <= 1 + 1e-6).all()
    assert distances.median() > 0.3  # far apart, or all weights of the pooling were alike
    other = started(images, replace(pooled, seed=1)).pooling.prototypes
    assert not torch.equal(other, network.pooling.prototypes)


def test_they_do_not_depend_on_the_number_of_processes(first: First, pooled: Recipe) -> None:
    one = started(first(64), pooled).pooling.prototypes
    for rank in range(2):
        assert torch.equal(started(first(64), pooled, rank, 2).pooling.prototypes, one)


def test_more_prototypes_than_patches(first: First, pooled: Recipe) -> None:
    with pytest.raises(InputError, match=r"64 prototypes .* has 48 \(3 images of 4 x 4\); raise batch_size"):
        started(first(64), replace(pooled, batch_size=3))


def test_features_that_are_not_finite(first: First, pooled: Recipe) -> None:
    fabric, _ = join_processes("cpu")
    network = start_network("wrn16", first(64), pooled).network
    network.stem.weight.data.fill_(torch.nan)
    with pytest.raises(InputError, match="not finite"):
        start_prototypes(network, BatchStream(first(64), pooled, fabric.device), fabric)


def test_a_run_that_resumes_and_captured_steps_end_with_the_same_weights(
    first: First, pooled: Recipe, tmp_path: Path
) -> None:
    whole = train("wrn16-ours", first(70), pooled, tmp_path / "whole")
    for folder, capture in (("parts", None), ("captured", record)):
        train("wrn16-ours", first(70), pooled, tmp_path / folder, stop_after=3, capture=capture)
        resumed = train("wrn16-ours", first(70), pooled, tmp_path / folder, capture=capture)
        expected, found = whole.network.state_dict(), resumed.network.state_dict()
        assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    start = start_network("wrn16-ours", first(70), pooled).network.state_dict()
    for name in ("pooling.projection", "pooling.prototypes"):
        assert not torch.equal(whole.network.state_dict()[name], start[name])
    assert torch.equal(whole.network.state_dict()["pooling.mass"], start["pooling.mass"])


def test_the_pooling_has_no_weight_decay(first: First, pooled: Recipe) -> None:
    network = start_network("wrn16", first(64), pooled).network
    decayed, others = make_optimizer(network, pooled).param_groups
    assert decayed["weight_decay"] == pooled.weight_decay
    assert any(weight is network.classifier.weight for weight in decayed["params"])
    own = [network.pooling.projection, network.pooling.prototypes]
    assert all(any(weight is one for one in others["params"]) for weight in own)


def test_another_pooling_starts_from_the_same_weights(
    first: First, pooled: Recipe, tiny: Recipe, make_package: Callable[..., Package]
) -> None:
    images = first(64)
    average = make_package("wrn16", classes=images.classes)
    start = start_network("wrn16", images, replace(pooled, start_from=f"local-dir:{average.path}"))
    assert start.new_prototypes
    package = make_package("wrn16", classes=images.classes, pooling="gsp", folder=average.path.with_name("gsp"))
    recipe = replace(pooled, start_from=f"local-dir:{package.path}")
    assert not start_network("wrn16", images, recipe).new_prototypes
    back = start_network("wrn16", images, replace(recipe, pooling="gap"))
    assert not back.new_prototypes
    assert not any(name.startswith("pooling.") for name in back.network.state_dict())


def test_gamma_is_that_of_the_recipe(first: First, pooled: Recipe, make_package: Callable[..., Package]) -> None:
    images = first(64)
    assert start_network("wrn16", images, replace(pooled, pooling_gamma=20)).network.pooling.gamma == 20
    package = make_package("wrn16", classes=images.classes, pooling="gsp")
    recipe = replace(pooled, start_from=f"local-dir:{package.path}", pooling_gamma=10)
    assert start_network("wrn16", images, recipe).network.pooling.gamma == 10


def test_a_recipe_of_another_mass_or_gamma(pooled: Recipe) -> None:
    for mass in (0.0, 1.1, -1.0):
        with pytest.raises(InputError, match=r"kept_mass = .*above 0 and at most 1"):
            replace(pooled, kept_mass=mass)
    for gamma in (0.0, 41.0):
        with pytest.raises(InputError, match=r"pooling_gamma = .*above 0 and at most 40"):
            replace(pooled, pooling_gamma=gamma)
    with pytest.raises(InputError, match="pooling = 'max': must be one of gap, gsp"):
        replace(pooled, pooling="max")
