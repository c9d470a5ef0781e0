from pathlib import Path

import pytest
import torch
from torch import Tensor

import zoo
from explain.attributions.occlusion import occlusion
from explain.faithfulness.curves import _ranks, curve_areas, prepare_curves
from training.data.prepare import load_split
from zoo.networks.network import Network


@pytest.fixture(scope="module")
def network() -> Network:
    return zoo.load("wrn16-ours")


@pytest.fixture(scope="module")
def images(cifar: Path) -> Tensor:
    return load_split(str(cifar), "test", limit=8).images


def test_the_curves_end_where_they_must(network: Network, images: Tensor) -> None:
    batch = prepare_curves(network, images, (8, 8), torch.Generator().manual_seed(0))
    with torch.inference_mode():
        probabilities = network(images).softmax(dim=1)
    torch.testing.assert_close(batch.whole, probabilities.amax(dim=1), atol=1e-5, rtol=1e-4)
    assert torch.equal(batch.classes, probabilities.argmax(dim=1))
    # One step: nothing between the ends.
    areas = curve_areas(network, batch, torch.rand(8, 8, 8), steps=1)
    for area in (areas.deletion, areas.insertion_colour):
        torch.testing.assert_close(area, (batch.whole + batch.of_colour) / 2)
    for area in (areas.deletion_blurred, areas.insertion):
        torch.testing.assert_close(area, (batch.whole + batch.of_blurred) / 2)


def test_half_the_patches_are_replaced_in_the_middle(network: Network, images: Tensor) -> None:
    batch = prepare_curves(network, images, (8, 8), torch.Generator().manual_seed(0))
    importance = torch.linspace(1, 0, 64).reshape(1, 8, 8).expand(8, 8, 8)
    areas = curve_areas(network, batch, importance, steps=2)
    halves = batch.pixels.clone()
    halves[:, :, :16] = batch.colour
    with torch.inference_mode():
        middle = network(halves).softmax(dim=1).gather(1, batch.classes[:, None])[:, 0]
    expected = (batch.whole + 2 * middle + batch.of_colour) / 4
    torch.testing.assert_close(areas.deletion, expected, atol=1e-5, rtol=1e-4)
    # Inserting the lower half into the mean colour gives the same image.
    lower = curve_areas(network, batch, -importance, steps=2)
    torch.testing.assert_close(lower.insertion_colour, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_what_matters_is_lost_sooner_than_what_does_not(network: Network, images: Tensor) -> None:
    batch = prepare_curves(network, images, (8, 8), torch.Generator().manual_seed(0))
    importance = occlusion(network, batch.pixels, batch.classes)
    good, bad = (curve_areas(network, batch, values, steps=4) for values in (importance, -importance))
    assert good.deletion.mean() < bad.deletion.mean()
    assert good.insertion.mean() > bad.insertion.mean()


def test_patches_of_equal_importance_are_in_random_order() -> None:
    ties = torch.rand(500, 4, generator=torch.Generator().manual_seed(0)).argsort(dim=1)
    importance = torch.tensor([[1.0, 1.0], [2.0, 0.0]]).expand(500, 2, 2)
    rank = _ranks(importance, ties)
    assert (rank[:, 1, 0] == 0).all()
    assert (rank[:, 1, 1] == 3).all()
    assert 0.4 < (rank[:, 0, 0] == 1).float().mean() < 0.6
    assert torch.equal(rank, _ranks(importance, ties))
