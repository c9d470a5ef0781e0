import numpy as np
import pytest
from scipy.special import softmax

from reproduction.claims.mixtures.nulls import class_maps, dirichlet_parameters, match_temperature, mean_entropy
from training.data.prepare import load_split

LOGITS = np.random.default_rng(0).normal(size=(50, 4, 10)).astype(np.float32)


@pytest.mark.parametrize("entropy", [0.1, 1.0, 2.0])
def test_softness_is_matched(entropy: float) -> None:
    temperature = match_temperature(LOGITS, entropy)
    assert mean_entropy(softmax(LOGITS / temperature, axis=-1)) == pytest.approx(entropy, abs=1e-3)


def test_an_entropy_that_no_temperature_has() -> None:
    assert match_temperature(LOGITS, 5.0) == pytest.approx(np.exp(8))
    assert match_temperature(LOGITS, 0.0) == pytest.approx(np.exp(-8))


def test_the_dirichlet_distribution_that_made_the_shares_is_found() -> None:
    parameters = np.array([0.1, 0.4, 1.5])
    shares = np.random.default_rng(1).dirichlet(parameters, (500, 20)).astype(np.float32)
    np.testing.assert_allclose(dirichlet_parameters(shares), parameters, rtol=0.05)


def test_class_maps_average_to_the_class_logits(cifar) -> None:
    import torch

    import zoo

    network, images = zoo.load("wrn16"), load_split(str(cifar), "test", limit=3)
    maps = class_maps(network, images)
    assert maps.shape == (3, 64, 10)
    with torch.inference_mode():
        np.testing.assert_allclose(maps.mean(axis=1), network(images.images).numpy(), atol=1e-4)
