from pathlib import Path

import pytest
import torch
from torch import Tensor

import zoo
from explain.attributions.occlusion import occlusion
from explain.faithfulness.curves import curve_areas, prepare_curves
from training.data.prepare import load_split
from zoo.networks.network import Network


@pytest.fixture(scope="module")
def network() -> Network:
    return zoo.load("wrn16-ours")


@pytest.fixture(scope="module")
def images(cifar: Path) -> Tensor:
    return load_split(str(cifar), "test", limit=8).images


def test_the_curves_end_where_they_must(network: Network, images: Tensor) -> None:
    batch = prepare_curves(network, images, 8)
    with torch.inference_mode():
        probabilities = network(images).softmax(dim=1)
    torch.testing.assert_close(batch.whole, probabilities.amax(dim=1), atol=1e-5, rtol=1e-4)
    assert torch.equal(batch.classes, probabilities.argmax(dim=1))
    # One step: nothing between the ends.
    deletion, insertion = curve_areas(network, batch, torch.rand(8, 8, 8), steps=1)
    torch.testing.assert_close(deletion, (batch.whole + batch.deleted) / 2)
    torch.testing.assert_close(insertion, (batch.whole + batch.uninserted) / 2)


def test_half_the_patches_are_replaced_in_the_middle(network: Network, images: Tensor) -> None:
    batch = prepare_curves(network, images, 8)
    importance = torch.linspace(1, 0, 64).reshape(1, 8, 8).expand(8, 8, 8)
    deletion, _ = curve_areas(network, batch, importance, steps=2)
    halves = batch.pixels.clone()
    halves[:, :, :16] = batch.colour
    with torch.inference_mode():
        middle = network(halves).softmax(dim=1).gather(1, batch.classes[:, None])[:, 0]
    torch.testing.assert_close(deletion, (batch.whole + 2 * middle + batch.deleted) / 4, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_what_matters_is_lost_sooner_than_what_does_not(network: Network, images: Tensor) -> None:
    batch = prepare_curves(network, images, 8)
    importance = occlusion(network, batch.pixels, batch.classes)
    good, bad = (curve_areas(network, batch, values, steps=4) for values in (importance, -importance))
    assert good.deletion.mean() < bad.deletion.mean()
    assert good.insertion.mean() > bad.insertion.mean()
