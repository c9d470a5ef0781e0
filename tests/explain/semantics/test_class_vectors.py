import numpy as np
import pytest

from explain.semantics.class_vectors import CLASS_GROUPS, build_hierarchy, class_means, measure_separation
from explain.semantics.summary import EXPECTED_PAIRS
from explain.tapping import class_vectors, template_vectors
from zoo.hub import open_model
from zoo.networks.load import create, load_package

CIFAR10 = open_model("wrn16-ours").config.classes


def test_stated_groups_are_of_the_classes() -> None:
    groups = CLASS_GROUPS["cifar10"]
    assert sorted(name for group in groups.values() for name in group) == sorted(CIFAR10)
    assert {name for pair in EXPECTED_PAIRS["cifar10"].values() for name in pair} <= set(CIFAR10)


def test_two_groups_that_separate() -> None:
    groups = CLASS_GROUPS["cifar10"]
    own = np.eye(12)[:10]
    own[:, 10:] = [[3, 0] if name in groups["animals"] else [0, 3] for name in CIFAR10]
    found = measure_separation(build_hierarchy(own), CIFAR10, groups)
    assert found.groupings == 210
    assert found.p == pytest.approx(1 / 210)
    assert found.first_split
    assert found.between == pytest.approx(1)
    assert found.within == pytest.approx(0.1)


def test_vectors_at_random_do_not_separate() -> None:
    found = measure_separation(
        build_hierarchy(np.random.default_rng(0).normal(size=(10, 64))), CIFAR10, CLASS_GROUPS["cifar10"]
    )
    assert found.p > 0.05
    assert not found.first_split


def test_class_means() -> None:
    features = np.array([[1, 0], [3, 0], [0, 5]], np.float32)
    means = class_means(features, np.array([0, 0, 1]), 2)
    assert means is not None
    assert means.tolist() == [[2, 0], [0, 5]]
    assert class_means(features, np.array([0, 0, 1]), 3) is None


def test_vectors_are_those_of_the_mixture() -> None:
    network = load_package(open_model("wrn16-ours"))
    vectors = class_vectors(network)
    assert vectors is not None
    assert vectors.shape == (10, 128)
    np.testing.assert_allclose(vectors[3], network.block.class_vectors()[:, 3].detach().numpy(), rtol=1e-6)
    assert class_vectors(create("wrn16")) is None


def test_the_vector_of_a_class_is_the_mean_of_its_templates() -> None:
    network = create("wrn16-ours", num_classes=4, templates=3)
    vectors, own = class_vectors(network), template_vectors(network)
    assert vectors is not None
    assert own is not None
    assert (vectors.shape, own.shape) == ((4, 128), (12, 128))
    np.testing.assert_allclose(vectors[1], own[3:6].mean(axis=0))
