import pytest
import torch
from support.closeness import assert_alike
from support.variants import STRUCTURES
from torch import nn

from export.fold import fold
from export.precision import in_half, with_scaled_channels
from zoo.errors import InputError

pytestmark = pytest.mark.slow


def answers(module, images):
    with torch.inference_mode():
        return module(torch.from_numpy(images))


@pytest.mark.parametrize("variant", STRUCTURES)
def test_convolutions_of_single_channels_do_what_normalisation_did(variant, make_network, pixels):
    expected = answers(fold(make_network(variant)), pixels(2))
    scaled = with_scaled_channels(fold(make_network(variant)))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in scaled.modules())
    assert_alike(answers(scaled, pixels(2)), expected)


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c", "rn26"])
def test_half_precision_inside_and_single_outside(variant, make_network, pixels):
    expected = answers(fold(make_network(variant)), pixels(2))
    half = in_half(fold(make_network(variant)))
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}
    assert torch.equal(half.network.normalize[0].mean, make_network(variant).normalize.mean)
    actual = answers(half, pixels(2))
    assert {output.dtype for output in actual} == {torch.float32}
    assert_alike(actual, expected, "fp16")
    assert any((a != b).any() for a, b in zip(actual, expected, strict=True))


def test_weights_beyond_half_precision_are_refused(make_network):
    folded = fold(make_network("wrn16"))
    folded.network.classifier.weight[0, 0] = 1e5
    with pytest.raises(InputError, match=r"network\.classifier\.weight has values up to 1e\+05"):
        in_half(folded)
