import pytest
import torch
from torch import nn

from export.fold import fold
from export.precision import in_half, with_scaled_channels
from zoo.errors import InputError
from zoo.registry import list_models


def answers(module, images):
    with torch.inference_mode():
        return module(torch.from_numpy(images))


@pytest.mark.parametrize("variant", list_models())
def test_convolutions_of_single_channels_do_what_normalisation_did(variant, make_network, pixels):
    expected = answers(fold(make_network(variant)), pixels(2))
    scaled = with_scaled_channels(fold(make_network(variant)))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in scaled.modules())
    for a, b in zip(answers(scaled, pixels(2)), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c", "rn26"])
def test_half_precision_inside_and_single_outside(variant, make_network, pixels):
    expected = answers(fold(make_network(variant)), pixels(2))
    half = in_half(fold(make_network(variant)))
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}
    assert torch.equal(half.network.normalize[0].mean, make_network(variant).normalize.mean)
    actual = answers(half, pixels(2))
    for a, b in zip(actual, expected, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0, atol=0.1)
    assert any((a != b).any() for a, b in zip(actual, expected, strict=True))


def test_weights_beyond_half_precision_are_refused(make_network):
    folded = fold(make_network("wrn16"))
    folded.network.classifier.weight[0, 0] = 1e5
    with pytest.raises(InputError, match=r"network\.classifier\.weight has numbers up to 1e\+05"):
        in_half(folded)
