from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.transparent import TRANSPARENT
from support.variants import CONTROLS
from torch import Tensor

import zoo
from zoo.errors import ImageError, InputError
from zoo.images.decode import decode_pixels
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Normalization, to_pixels
from zoo.networks.network import Normalize
from zoo.package import Package

Networks = Callable[..., zoo.Network]
Pixels = Callable[..., Tensor]

VARIANTS = zoo.list_models()
SOURCES = {
    "plain": "class activation map",
    "aux": "auxiliary head",
    "residual": "semantic block",
    "concat": "semantic block",
}


def variants(*mechanisms: str) -> list[str]:
    return [name for name in VARIANTS if zoo.info(name).mechanism in mechanisms]


@pytest.mark.parametrize(("size", "grid"), [(32, {8}), (84, {21}), (33, {8, 9}), (40, {10})])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_shapes(variant: str, size: int, grid: set[int], network: Networks, pixels: Pixels) -> None:
    answer = network(variant).semantics(pixels(1, size))
    side = answer.patch_logits.shape[-1]
    assert side in grid
    assert answer.logits.shape == (1, 10)
    assert answer.patch_logits.shape == (1, 10, side, side)
    assert answer.source == SOURCES[zoo.info(variant).mechanism]
    if answer.source == "semantic block":
        assert answer.assignment.shape == (1, 11, side, side)
    else:
        assert answer.assignment is None
    assert answer.templates is None


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c"])
@torch.inference_mode()
def test_shapes_with_several_templates(variant: str, pixels: Pixels) -> None:
    made = zoo.create(variant, num_classes=5, templates=3).eval()
    answer = made.semantics(pixels(2, 32))
    assert answer.patch_logits.shape == (2, 5, 8, 8)
    assert answer.assignment is not None
    assert answer.templates is not None
    assert answer.assignment.shape == (2, 6, 8, 8)
    assert answer.templates.shape == (2, 16, 8, 8)
    assert {name: tensor.shape[1] for name, tensor in made.predict(pixels(2, 32)).items()} == {
        "logits": 5,
        "patch_logits": 5,
        "assignment": 6,
        "templates": 16,
    }
    assert [output.name for output in made.outputs] == ["logits", "patch_logits", "assignment", "templates"]


@torch.inference_mode()
def test_an_assignment_to_templates_may_be_given_too(pixels: Pixels) -> None:
    made, given = zoo.create("wrn16-ours", templates=3).eval(), pixels(2, 32)
    own = made.semantics(given)
    torch.testing.assert_close(made.semantics(given, own.templates).logits, own.logits)
    by_class = made.semantics(given, own.assignment)
    torch.testing.assert_close(by_class.assignment, own.assignment)
    assert not torch.allclose(by_class.logits, own.logits, atol=0)
    source = torch.tensor([1, 1])
    torch.testing.assert_close(made.semantics(given, source=source).templates, own.templates[source])


@torch.inference_mode()
def test_an_image_need_not_be_square(network: Networks, pixels: Pixels) -> None:
    assert network("wrn16-ours").semantics(pixels(1, 40)[:, :, :24]).patch_logits.shape == (1, 10, 6, 10)


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_both_ways_to_ask_give_the_same_class_logits(variant: str, network: Networks, pixels: Pixels) -> None:
    torch.testing.assert_close(network(variant)(pixels(2)), network(variant).semantics(pixels(2)).logits)


@pytest.mark.parametrize("variant", variants("plain"))
@torch.inference_mode()
def test_class_activation_maps_average_to_the_class_logits(variant: str, network: Networks, pixels: Pixels) -> None:
    semantics = network(variant).semantics(pixels(3))
    assert semantics.patch_logits.std(dim=(2, 3)).min() > 1e-3
    torch.testing.assert_close(semantics.patch_logits.mean(dim=(2, 3)), semantics.logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("variant", variants("residual", "concat"))
@torch.inference_mode()
def test_the_assignment_is_a_distribution(variant: str, network: Networks, pixels: Pixels) -> None:
    assignment = network(variant).semantics(pixels(2)).assignment
    assert assignment.min() >= 0
    torch.testing.assert_close(assignment.sum(dim=1), torch.ones(2, 8, 8))


@pytest.mark.parametrize("variant", variants("residual", "concat"))
@torch.inference_mode()
def test_the_class_logits_depend_on_the_assignment(variant: str, pixels: Pixels) -> None:
    made = zoo.create(variant).eval()
    before = made(pixels(1))
    made.block.assign.gamma.fill_(0)
    made.block.assign.beta.fill_(-100)  # no template matches any more
    semantics = made.semantics(pixels(1))
    torch.testing.assert_close(semantics.assignment[:, -1], torch.ones(1, 8, 8))
    assert not torch.allclose(semantics.logits, before)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gradient_reaches_every_weight(variant: str, pixels: Pixels) -> None:
    torch.manual_seed(0)
    made = zoo.create(variant)
    semantics = made.semantics(pixels(2, 16))
    loss = (semantics.logits * torch.randn(10)).sum() + (semantics.patch_logits * torch.randn(10, 1, 1)).sum()
    loss.backward()
    unreached = [name for name, weight in made.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unreached == []


@pytest.mark.parametrize("variant", ["rn26", "wrn16-ours", "dn100-ours-c"])
@torch.inference_mode()
def test_integer_and_floating_point_pixels_mean_the_same(variant: str, network: Networks, pixels: Pixels) -> None:
    expected = network(variant)(pixels(2))
    torch.testing.assert_close(network(variant)(pixels(2).float() / 255), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_pixels_may_have_double_precision(network: Networks, pixels: Pixels) -> None:
    """As NumPy makes them."""
    logits = network("wrn16-ours")(pixels(2).double() / 255)
    torch.testing.assert_close(logits.float(), network("wrn16-ours")(pixels(2)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_an_image_is_answered_alike_alone_and_in_a_batch(variant: str, network: Networks, pixels: Pixels) -> None:
    batch = network(variant).semantics(pixels(3))
    alone = network(variant).semantics(pixels(3)[1:2])
    torch.testing.assert_close(alone.logits[0], batch.logits[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alone.patch_logits[0], batch.patch_logits[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 32, 32, 3), (2, 4, 32, 32), (1, 2, 3, 32, 32)])
def test_pixels_of_a_wrong_shape(shape: tuple[int, ...], network: Networks) -> None:
    with pytest.raises(InputError, match=rf"expected pixels of shape \[N, 3, H, W\], got \[{shape[0]}, "):
        network("wrn16-ours")(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool])
def test_pixels_of_a_wrong_type(dtype: torch.dtype, network: Networks) -> None:
    with pytest.raises(InputError, match=f"uint8 pixels .* got {dtype}"):
        network("wrn16-ours")(torch.zeros(1, 3, 32, 32, dtype=dtype))


def test_normalization_gives_zero_mean_and_unit_variance() -> None:
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    scaled = pixels.double() / 255
    mean, std = scaled.mean(dim=(0, 2, 3)), scaled.std(dim=(0, 2, 3), unbiased=False)
    normalized = Normalize(Normalization(mean=tuple(mean.tolist()), std=tuple(std.tolist())))(pixels)
    torch.testing.assert_close(normalized.mean(dim=(0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalized.var(dim=(0, 2, 3), unbiased=False), torch.ones(3), rtol=1e-4, atol=0)


def test_what_is_configured_is_part_of_the_state(network: Networks) -> None:
    state = network("wrn16-ours").state_dict()
    assert state["normalize.mean"].tolist() == pytest.approx(CIFAR10_NORMALIZATION.mean)
    assert state["normalize.std"].tolist() == pytest.approx(CIFAR10_NORMALIZATION.std)
    assert state["block.assign.none_logit"] == 0
    assert network("wrn16-ours").configured_tensors() == {"normalize.mean", "normalize.std", "block.assign.none_logit"}
    assert network("wrn16").configured_tensors() == {"normalize.mean", "normalize.std"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_class_tensors_are_those_whose_shape_depends_on_the_classes(variant: str, network: Networks) -> None:
    few, many = network(variant).state_dict(), zoo.create(variant, num_classes=23).state_dict()
    assert network(variant).class_tensors() == {name for name in few if few[name].shape != many[name].shape}
    assert network(variant).num_classes == 10


@pytest.mark.parametrize(("size", "expected"), [(None, 32), (84, 84)])
def test_pixels_of_an_image(size: int | None, expected: int, network: Networks, photo_file: Path) -> None:
    with Image.open(photo_file) as image:
        pixels = network("wrn16-ours").pixels(image, size)
        np.testing.assert_array_equal(pixels[0], to_pixels(image, expected)[0])
    assert pixels.dtype == torch.uint8
    assert network("wrn16-ours")(pixels).shape == (1, 10)


def test_pixels_of_a_file_are_the_servers(network: Networks, photo_file: Path, tmp_path: Path) -> None:
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (50, 40), (10, 20, 30, 128)).save(clear)
    for file in (photo_file, clear):
        expected = decode_pixels(file.read_bytes(), 32).pixels
        for given in (file, str(file), file.read_bytes()):
            np.testing.assert_array_equal(network("wrn16-ours").pixels(given)[0], expected)


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_pixels_of_transparency_lie_over_white(kind: str, network: Networks, tmp_path: Path) -> None:
    file = tmp_path / "clear"
    file.write_bytes(TRANSPARENT[kind].data)
    with Image.open(file) as opened:
        for given in (file, file.read_bytes(), opened):
            np.testing.assert_array_equal(network("wrn16-ours").pixels(given)[0], TRANSPARENT[kind].pixels)


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), (b"", "is empty"), (b"text", "not an image")])
def test_pixels_of_no_image(content: bytes | None, problem: str, network: Networks, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImageError, match=rf"photo\.jpg: .*{problem}"):
        network("wrn16-ours").pixels(file)


def test_pixels_have_the_size_of_the_loaded_model(make_package: Callable[..., Package]) -> None:
    loaded = zoo.load(f"local-dir:{make_package('wrn16', size=40).path}")
    assert loaded.pixels(Image.new("RGB", (50, 60))).shape == (1, 3, 40, 40)


def test_another_assignment_is_what_the_block_re_embeds(network: Networks, pixels: Pixels) -> None:
    made, given = network("wrn16-ours"), pixels(2, 32)
    own = made.semantics(given)
    assert own.assignment is not None
    again = made.semantics(given, own.assignment)
    torch.testing.assert_close(again.logits, own.logits)
    told = torch.zeros_like(own.assignment)
    told[:, 3] = 1
    answer = made.semantics(given, told)
    assert not torch.allclose(answer.logits, own.logits)
    torch.testing.assert_close(answer.patch_logits, own.patch_logits)


@pytest.mark.parametrize("variant", ["wrn16-ours", "dn100-ours-c"])
def test_images_may_take_each_others_assignments(variant: str, network: Networks, pixels: Pixels) -> None:
    made, given = network(variant), pixels(3, 32)
    own = made.semantics(given)
    assert own.assignment is not None
    source = torch.tensor([0, 2, 2])
    answer = made.semantics(given, source=source)
    torch.testing.assert_close(answer.assignment, own.assignment[source])
    torch.testing.assert_close(answer.logits, made.semantics(given, own.assignment[source]).logits)
    torch.testing.assert_close(answer.logits[::2], own.logits[::2])
    assert not torch.allclose(answer.logits[1], own.logits[1])
    torch.testing.assert_close(answer.patch_logits, own.patch_logits)


def test_an_assignment_needs_a_block(network: Networks, pixels: Pixels) -> None:
    with pytest.raises(InputError, match="-ours"):
        network("wrn16-aux").semantics(pixels(1, 32), torch.zeros(1, 11, 8, 8))
    with pytest.raises(InputError, match="-ours"):
        network("wrn16").semantics(pixels(1, 32), source=torch.tensor([0]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("variant", ["wrn16-ours", "rn26-aux"])
def test_networks_are_made_in_the_default_type(variant: str, dtype: torch.dtype, pixels: Pixels) -> None:
    torch.set_default_dtype(dtype)
    try:
        made = zoo.create(variant).eval()
        with torch.inference_mode():
            assert made(pixels(1, 32)).dtype == dtype
            assert made(torch.rand(1, 3, 32, 32)).dtype == dtype
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 3, 32, 32)])
def test_tensors_of_pixels_pass(shape: tuple[int, ...], network: Networks) -> None:
    made = network("wrn16")
    for given in (torch.rand(shape), torch.randint(256, shape, dtype=torch.uint8)):
        assert torch.equal(made.pixels(given), given.reshape(-1, 3, 32, 32))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (255 * torch.ones(3, 32, 32), "divide 0..255 by 255"),
        (-torch.ones(3, 32, 32), "expected 0..1"),
        (torch.full((3, 32, 32), torch.nan), "expected 0..1"),
        (torch.ones(3, 32, 32, dtype=torch.int64), "uint8"),
        (torch.ones(32, 32), "shape"),
        (torch.ones(1, 4, 32, 32), "shape"),
        (torch.ones(0, 3, 32, 32), "shape"),
    ],
)
def test_tensors_that_are_no_pixels_are_refused(given: Tensor, message: str, network: Networks) -> None:
    with pytest.raises(InputError, match=message):
        network("wrn16").pixels(given)


def test_images_of_floating_point_numbers(network: Networks) -> None:
    values = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    found = network("wrn16").pixels(Image.fromarray(values))
    np.testing.assert_array_equal(found[0, 0].numpy(), (255 * values).round())
    with pytest.raises(ImageError, match=r"0\.\.1"):
        network("wrn16").pixels(Image.fromarray(255 * values))


def test_images_of_16_bits_keep_their_upper_8(network: Networks) -> None:
    values = np.full((32, 32), 0x8001, dtype=np.uint16)
    assert network("wrn16").pixels(Image.fromarray(values)).unique().tolist() == [0x80]


@pytest.mark.parametrize("variant", ["wrn16-ours", "wrn16-aux", "dn100-ours-c"])
def test_a_head_of_its_own_number_of_classes_is_refused(variant: str) -> None:
    made = zoo.create(variant)
    made.classifier = torch.nn.Linear(made.classifier.in_features, 3)
    with pytest.raises(InputError, match=r"classifier has 3 classes, but block\.keys has 10"):
        made.require_consistent_classes()
    made.classifier = torch.nn.Identity()
    with pytest.raises(InputError, match="Linear"):
        made.require_consistent_classes()


@pytest.mark.parametrize("variant", [*VARIANTS, *CONTROLS])
@pytest.mark.parametrize("classes", [10, 100, 7])
def test_every_network_has_one_number_of_classes(variant: str, classes: int) -> None:
    made = zoo.create(variant, num_classes=classes)
    made.require_consistent_classes()
    assert sum(weight.numel() for weight in made.parameters()) == zoo.info(variant).parameters(classes)


def test_a_head_must_have_the_classes_of_the_templates() -> None:
    made = zoo.create("wrn16-ours", templates=3)
    made.require_consistent_classes()
    made.classifier = torch.nn.Linear(128, 30)
    with pytest.raises(InputError, match=r"classifier has 30 classes, but block\.keys has 10 and block\.values has 10"):
        made.require_consistent_classes()
