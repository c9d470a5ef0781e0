from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.variants import STRUCTURES
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
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


def test_products_keep_all_bits_whatever_training_allows(
    make_package: Callable[..., Package], pixels: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = TorchPredictor.open(make_package("wrn16"))
    inside: list[tuple[bool, str]] = []

    def precisions() -> tuple[bool, str]:
        return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()

    def record(*_: object) -> None:
        inside.append(precisions())
        if len(inside) > 1:
            raise RuntimeError("out of memory")

    predictor.network.classifier.register_forward_hook(record)
    before = precisions()
    try:
        torch.set_float32_matmul_precision("high")
        allowed = precisions()
        predictor(pixels(1).numpy())
        assert precisions() == allowed == (True, "high")
        with pytest.raises(RuntimeError, match="out of memory"):
            predictor(pixels(1).numpy())
        assert precisions() == allowed
    finally:
        torch.set_float32_matmul_precision(before[1])
    assert inside == [(False, "highest")] * 2


class _NoNumbers(TorchDispatchMode):
    """Refuses to read a number from a tensor, for which a GPU would have to be waited for."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert function is not torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("variant", STRUCTURES)
@torch.inference_mode()
def test_the_values_of_pixels_are_not_looked_at(variant: str, pixels: Callable[..., Tensor]) -> None:
    network = zoo.create(variant, num_classes=10).eval()
    for given in (pixels(1), pixels(1) / 255):
        with _NoNumbers():
            network.predict(given)


@pytest.mark.cuda
@pytest.mark.parametrize("variant", STRUCTURES)
def test_on_a_gpu(variant: str, make_package: Callable[..., Package], pixels: Callable[..., Tensor]) -> None:
    package = make_package(variant)
    torch.set_float32_matmul_precision("high")
    try:
        got = TorchPredictor.open(package)(pixels(64).numpy())
    finally:
        torch.set_float32_matmul_precision("highest")
    expected = TorchPredictor(load_package(package), package.config)(pixels(64).numpy())
    np.testing.assert_allclose(got.logits, expected.logits, rtol=0, atol=1e-3)
    np.testing.assert_allclose(got.patch_logits, expected.patch_logits, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(got.logits.argmax(axis=1), expected.logits.argmax(axis=1))
    if got.assignment is not None:
        np.testing.assert_allclose(got.assignment, expected.assignment, rtol=0, atol=1e-4)


def test_it_knows_its_model_and_device(make_package: Callable[..., Package]) -> None:
    package = make_package("wrn16")
    predictor = TorchPredictor.open(package)
    assert predictor.config == package.config
    assert predictor.device == f"PyTorch on {'cuda:0' if torch.cuda.is_available() else 'cpu'}"


def test_pixels_of_another_size_are_refused(make_package: Callable[..., Package]) -> None:
    with pytest.raises(InputError, match=r"wrn16\.cifar10 expects uint8 pixels \[N, 3, 40, 40\]"):
        TorchPredictor.open(make_package("wrn16", size=40))(np.zeros((1, 3, 32, 32), dtype=np.uint8))
