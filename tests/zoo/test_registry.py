from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import registry
from zoo.errors import DuplicateVariantError, UnknownNameError

# The paper's table: millions of class-independent weights, weights a class, top-1 on CIFAR-10, CIFAR-100 and
# Mini-ImageNet. Then what this reading of it has: exact class-independent weights, millions of multiply-adds.
PAPER = {
    "rn26": ("0.96", 257, (89.52, 65.94, 60.43), 961_488, "114.2"),
    "rn26-aux": ("0.96", 386, (90.57, 66.21, 60.70), 961_488, "114.3"),
    "rn26-ours": ("0.98", 516, (91.06, 66.78, 61.23), 979_024, "115.5"),
    "rn38": ("1.42", 257, (90.78, 68.15, 60.72), 1_423_824, "166.6"),
    "rn38-ours": ("1.44", 516, (91.36, 69.01, 63.83), 1_441_360, "167.9"),
    "wrn16": ("1.28", 129, (90.52, 67.11, 60.73), 1_281_232, "138.9"),
    "wrn16-ours": ("1.30", 388, (91.10, 67.36, 62.92), 1_298_768, "140.1"),
    "dn100": ("1.20", 535, (92.62, 71.65, 65.03), 1_196_196, "314.5"),
    "dn100-ours": ("1.32", 1222, (92.92, 71.25, 68.86), 1_316_238, "322.6"),
    "dn100-ours-c": ("1.36", 1264, (92.71, 72.14, 68.93), 1_364_286, "325.6"),
}


@pytest.fixture
def empty_place() -> Iterator[registry.Variant]:
    """A variant that is not registered, and is not either after the test."""
    variant = replace(zoo.info("wrn16"), name="wrn16-new")
    yield variant
    registry._variants.pop(variant.name, None)


def create_on_meta(variant: str, classes: int) -> zoo.Network:
    """A network that has shapes and no numbers."""
    with torch.device("meta"):
        return zoo.create(variant, num_classes=classes)


def count_multiply_adds(network: nn.Module, pixels: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        network(pixels)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("classes", [7, 10, 100])
@pytest.mark.parametrize("name", zoo.list_models())
def test_the_network_has_the_registered_number_of_weights(name: str, classes: int) -> None:
    network = create_on_meta(name, classes)
    assert sum(weight.numel() for weight in network.parameters()) == zoo.info(name).parameters(classes)


@pytest.mark.parametrize(("classes", "templates"), [(7, 2), (10, 8)])
@pytest.mark.parametrize("name", [name for name in zoo.list_models() if zoo.info(name).has_block])
def test_every_further_template_has_the_registered_number_of_weights(name: str, classes: int, templates: int) -> None:
    with torch.device("meta"):
        network = zoo.create(name, num_classes=classes, templates=templates)
    assert sum(weight.numel() for weight in network.parameters()) == zoo.info(name).parameters(classes, templates)


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.list_models())
def test_the_network_has_the_registered_multiply_adds(name: str) -> None:
    pixels = torch.empty(1, 3, 32, 32, dtype=torch.uint8, device="meta")
    assert count_multiply_adds(create_on_meta(name, 10).eval(), pixels) == zoo.info(name).multiply_adds


@pytest.mark.parametrize("name", PAPER)
def test_counts_and_accuracies_are_the_papers(name: str) -> None:
    variant = zoo.info(name)
    printed, a_class, accuracy, exact, multiply_adds = PAPER[name]
    assert f"{variant.fixed_parameters / 1e6:.2f}" == printed
    assert variant.fixed_parameters == exact
    assert variant.parameters_per_class == a_class
    assert tuple(variant.paper_accuracy[data] for data in ("cifar10", "cifar100", "mini-imagenet")) == accuracy
    assert f"{variant.multiply_adds / 1e6:.1f}" == multiply_adds


def test_the_paper_has_these_variants_and_no_others() -> None:
    assert [name for name in zoo.list_models() if zoo.info(name).paper_accuracy] == list(PAPER)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("wrn16*", ["wrn16", "wrn16-aux", "wrn16-ours", "wrn16-2"]),
        ("*-aux", ["rn26-aux", "wrn16-aux"]),
        ("dn100", ["dn100"]),
        ("rn??", ["rn26", "rn38", "rn20", "rn32", "rn56"]),
        ("RN26", []),
        ("", []),
    ],
)
def test_list_models_by_pattern(pattern: str, names: list[str]) -> None:
    assert zoo.list_models(pattern) == names


def test_an_unknown_name_comes_with_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="'wrn16-our'; did you mean wrn16-ours") as caught:
        zoo.info("wrn16-our")
    assert caught.value.name == "wrn16-our"
    assert caught.value.close[0] == "wrn16-ours"


def test_a_name_like_no_other_comes_with_all() -> None:
    with pytest.raises(UnknownNameError, match=r"available: dn100, dn100-ours, .*wrn16-ours"):
        zoo.info("zzzzzzzz")


def test_a_registered_variant_is_found_and_built(empty_place: registry.Variant) -> None:
    assert zoo.register(empty_place) is empty_place
    assert zoo.list_models()[-1] == "wrn16-new"
    assert create_on_meta("wrn16-new", 3).num_classes == 3


def test_a_name_is_registered_once(empty_place: registry.Variant) -> None:
    zoo.register(empty_place)
    with pytest.raises(
        DuplicateVariantError, match=r"'wrn16-new' is already registered \(zoo.networks.resnet:build_wide\)"
    ):
        zoo.register(replace(empty_place, blocks=7))
    assert zoo.info("wrn16-new").blocks == empty_place.blocks


def test_accuracies_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        zoo.info("wrn16-ours").paper_accuracy["cifar10"] = 100.0  # type: ignore[index]
