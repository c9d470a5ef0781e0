import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

import zoo
from explain.attributions import ATTRIBUTIONS, attributions_for, class_activation_map, random_values, semantic_map
from explain.attributions.occlusion import occlusion
from explain.attributions.patches import as_float
from zoo.errors import InputError
from zoo.networks.network import Network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network() -> Network:
    return zoo.load("wrn16-ours")


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


CLASSES = torch.tensor([3, 0, 9])


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_each_method_keeps_to_the_common_form(name: str, network: Network, pixels: Tensor) -> None:
    method = ATTRIBUTIONS[name]
    together = method(network, pixels, CLASSES)
    assert together.shape == (3, 8, 8)
    assert together.isfinite().all()
    # One image's importance depends neither on the others nor on how the pixels are written.
    alone = method(network, as_float(pixels[1:2]), CLASSES[1:2])
    if name != "random":
        torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", [name for name in ATTRIBUTIONS if name != "random"])
def test_each_method_but_chance_depends_on_the_class(name: str, network: Network, pixels: Tensor) -> None:
    method = ATTRIBUTIONS[name]
    assert not torch.allclose(method(network, pixels, CLASSES), method(network, pixels, (CLASSES + 1) % 10), atol=1e-4)


def test_the_methods_leave_the_network_as_it_was(network: Network, pixels: Tensor) -> None:
    for method in ATTRIBUTIONS.values():
        method(network, pixels, CLASSES)
    assert not network.training
    assert all(weight.grad is None for weight in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_covering_is_the_fall_of_the_logit(network: Network, pixels: Tensor) -> None:
    image = as_float(pixels[:1])
    covered = image.clone()
    covered[:, :, 8:12, 20:24] = image.mean(dim=(2, 3), keepdim=True)
    with torch.inference_mode():
        fall = network(image)[0, 3] - network(covered)[0, 3]
    torch.testing.assert_close(occlusion(network, pixels[:1], CLASSES[:1])[0, 2, 5], fall, atol=1e-4, rtol=1e-3)


def test_random_values_are_those_of_the_image(network: Network, pixels: Tensor) -> None:
    first, second, _ = random_values(network, pixels, CLASSES)
    assert not torch.equal(first, second)
    assert torch.equal(random_values(network, pixels.flip(0), CLASSES)[2], first)


def test_without_the_block_there_is_no_semantic_map(pixels: Tensor) -> None:
    with pytest.raises(InputError, match="no semantic block"):
        semantic_map(zoo.load("wrn16"), pixels, CLASSES)


def test_the_example_of_the_document_prints_what_it_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parents[3]
    monkeypatch.chdir(root)
    [example] = re.findall(r"```python\n(.*?)```", (root / "docs/explain.md").read_text(), re.DOTALL)
    exec(compile(example, "explain.md", "exec"), {})
    assert capsys.readouterr().out == f"{example.rpartition('# ')[2].strip()}\n"


def test_variants_have_the_methods_they_can_have() -> None:
    control = {"patch softmax"}
    assert set(attributions_for("semantic block")) == set(ATTRIBUTIONS) - control
    assert set(attributions_for("auxiliary head")) == set(ATTRIBUTIONS) - {"semantic map"}
    plain = attributions_for("class activation map")
    assert not {"patch logits", "patch softmax"} & set(plain)
    assert plain["class activation map"] is class_activation_map
