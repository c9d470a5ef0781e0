from collections.abc import Callable

import pytest
import torch
from support.variants import CONTROLS, STRUCTURES
from torch import Tensor
from torchvision.models.feature_extraction import create_feature_extractor

import zoo
from zoo.errors import InputError

Networks = Callable[..., zoo.Network]
Pixels = Callable[..., Tensor]

VARIANTS = [*STRUCTURES, *CONTROLS]


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_features_are_as_their_info_says(variant: str, network: Networks, pixels: Pixels) -> None:
    backbone = zoo.Backbone(network(variant))
    features = backbone(pixels(2, 48))
    assert [tensor.shape[1] for tensor in features] == backbone.feature_info.channels()
    assert [48 // tensor.shape[2] for tensor in features] == backbone.feature_info.reduction() == [1, 1, 2, 4, 4]


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_torchvision_extracts_the_same_features(variant: str, network: Networks, pixels: Pixels) -> None:
    made, given = network(variant), pixels(2)
    expected = zoo.Backbone(made)(given)
    names = made.feature_info.module_name()
    for shown in (given, given.float() / 255):
        extracted = create_feature_extractor(made, [*names, "classifier"])(shown)
        torch.testing.assert_close(extracted.pop("classifier"), made(shown))
    extracted = create_feature_extractor(made, names)(given)
    for name, tensor in zip(names, expected, strict=True):
        torch.testing.assert_close(extracted[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if zoo.info(name).has_block])
@torch.inference_mode()
def test_torchvision_extracts_what_the_block_says(variant: str, network: Networks, pixels: Pixels) -> None:
    made = network(variant)
    extractor = create_feature_extractor(made, {"block.keys": "patch_logits", "block.assign": "assignment"})
    answer = made.semantics(pixels(2))
    for name, tensor in extractor(pixels(2)).items():
        torch.testing.assert_close(tensor, getattr(answer, name), rtol=0, atol=0)


def test_a_traced_network_can_be_trained(pixels: Pixels) -> None:
    made = zoo.create("wrn16-ours")
    extractor = create_feature_extractor(made, ["stages.1", "classifier"])
    extractor(pixels(2, 16))["classifier"].sum().backward()
    assert extractor.get_parameter("block.values.weight").grad.any()
    assert extractor.state_dict().keys() == made.state_dict().keys()


@torch.inference_mode()
def test_load_gives_the_features_that_are_asked_for(pixels: Pixels) -> None:
    backbone = zoo.load("wrn16-ours", features_only=True, out_indices=(1, 3))
    assert not backbone.training
    assert backbone.feature_info.channels() == [32, 128]
    _, expected = zoo.load("wrn16-ours").forward_intermediates(pixels(2), (1, 3))
    assert all(map(torch.equal, backbone(pixels(2)), expected))
    assert len(zoo.load("wrn16", pretrained=False, features_only=True)(pixels(1))) == 5


def test_indices_are_of_features() -> None:
    with pytest.raises(InputError, match="features_only=True"):
        zoo.load("wrn16", out_indices=(1,))
    with pytest.raises(InputError, match="feature index 5"):
        zoo.load("wrn16", features_only=True, out_indices=(5,))
