from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.networks.load import load_package
from zoo.package import Package
from zoo.predictors.torch import TorchPredictor


@pytest.mark.parametrize("variant", ["rn26", "wrn16-aux", "wrn16-ours", "dn100-ours-c"])
def test_it_answers_as_the_network(
    variant: str, make_package: Callable[..., Package], pixels: Callable[..., Tensor]
) -> None:
    package = make_package(variant)
    prediction = TorchPredictor.open(package)(pixels(2).numpy())
    with torch.inference_mode():
        semantics = load_package(package).semantics(pixels(2))
    np.testing.assert_allclose(prediction.logits, semantics.logits, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(prediction.patch_logits, semantics.patch_logits, rtol=0.01, atol=0.01)
    if semantics.assignment is None:
        assert prediction.assignment is None
    else:
        np.testing.assert_allclose(prediction.assignment, semantics.assignment, atol=0.01)


def test_it_knows_its_model_and_device(make_package: Callable[..., Package]) -> None:
    package = make_package("wrn16")
    predictor = TorchPredictor.open(package)
    assert predictor.config == package.config
    assert predictor.device == f"PyTorch on {'cuda:0' if torch.cuda.is_available() else 'cpu'}"


def test_pixels_of_another_size_are_refused(make_package: Callable[..., Package]) -> None:
    with pytest.raises(InputError, match=r"wrn16\.cifar10 expects uint8 pixels \[N, 3, 40, 40\]"):
        TorchPredictor.open(make_package("wrn16", size=40))(np.zeros((1, 3, 32, 32), dtype=np.uint8))
