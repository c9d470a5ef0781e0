from pathlib import Path

import numpy as np
import pytest
import torch

from explain.semantics.collect import PATCHES_PER_IMAGE, Collected, collect
from explain.semantics.shares import share_chunks
from explain.tapping import tap
from training.data.images import LabelledImages
from training.data.prepare import load_split
from zoo.hub import open_model
from zoo.networks.load import create, load_package
from zoo.networks.network import Network


@pytest.fixture(scope="module")
def images(cifar: Path) -> LabelledImages:
    return load_split(str(cifar), "test", 32, 20)


@pytest.fixture(scope="module")
def network() -> Network:
    return load_package(open_model("wrn16-ours"))


def run(network: Network, images: LabelledImages, folder: Path) -> tuple[Collected, list[int]]:
    config, seen = open_model("wrn16-ours").config, list[int]()
    return collect(network, images, config, "cifar10, test", folder / "index", 0, seen.append), seen


def test_a_split_is_what_the_network_says_of_it(network: Network, images: LabelledImages, tmp_path: Path) -> None:
    found, seen = run(network, images, tmp_path)
    with torch.inference_mode():
        semantics = network.semantics(images.images)
    assert semantics.assignment is not None
    assert found.index is not None
    assert found.predicted.tolist() == semantics.logits.argmax(dim=1).tolist()
    [(_, shares)] = share_chunks(found.index)
    np.testing.assert_allclose(shares, semantics.assignment.flatten(2).transpose(1, 2), atol=1e-3)
    assert found.index.labels.tolist() == images.labels.tolist()
    assert found.index.names[3] == images.where(3)
    assert seen == [16, 20]
    assert found.sample.image.tolist() == sorted([*range(20)] * PATCHES_PER_IMAGE)
    assert found.sample.label.tolist() == images.labels[found.sample.image].tolist()


def test_sampled_features_are_of_their_cells(network: Network, images: LabelledImages, tmp_path: Path) -> None:
    sample = run(network, images, tmp_path)[0].sample
    tapped = tap(network, images.images.numpy())
    rows, columns = np.divmod(sample.cell, 8)
    for space, features in sample.spaces.items():
        np.testing.assert_allclose(features, tapped.spaces[space][sample.image, rows, columns], atol=1e-4)
    # The block adds the mixture to what enters it.
    np.testing.assert_allclose(sample.spaces["before"] + sample.spaces["mixture"], sample.spaces["after"], atol=1e-4)


def test_a_plain_network_has_only_a_before(images: LabelledImages, tmp_path: Path) -> None:
    found, _ = run(create("wrn16").eval(), images, tmp_path)
    assert found.index is None
    assert set(found.sample.spaces) == {"before"}


def test_shares_of_batch_norm_and_relu_become_proportions(images: LabelledImages) -> None:
    torch.manual_seed(0)
    shares = tap(create("wrn16-ours", assignment="bn_relu").eval(), images.images.numpy()[:4]).shares
    assert shares is not None
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-5)
