from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.variants import CONTROLS, STRUCTURES
from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Normalization
from zoo.networks.network import Normalize

Networks = Callable[..., zoo.Network]
Pixels = Callable[..., Tensor]

VARIANTS = STRUCTURES
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
        "embedding": made.num_features,
    }
    assert [output.name for output in made.outputs] == [
        "logits",
        "patch_logits",
        "assignment",
        "templates",
        "embedding",
    ]


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


@pytest.mark.parametrize("variant", [*VARIANTS, *CONTROLS])
@torch.inference_mode()
def test_head_and_features_are_the_whole_network(variant: str, network: Networks, pixels: Pixels) -> None:
    made = network(variant)
    features = made.forward_features(pixels(2, 40))
    assert features.shape == (2, made.num_features, 10, 10)
    embeddings = made.forward_head(features, pre_logits=True)
    assert embeddings.shape == (2, made.num_features)
    logits = made(pixels(2, 40))
    assert torch.equal(made.forward_head(features), logits)
    assert torch.equal(made.get_classifier()(embeddings), logits)


@pytest.mark.parametrize("variant", ["wrn16", "dn100-ours-c"])
@torch.inference_mode()
def test_intermediates_come_with_the_last_features(variant: str, network: Networks, pixels: Pixels) -> None:
    made = network(variant)
    last, depths = made.forward_intermediates(pixels(2), 2)
    assert torch.equal(last, made.forward_features(pixels(2)))
    assert [tensor.shape[1] for tensor in depths] == made.feature_info.channels()[-2:]
    assert torch.equal(depths[0], made.activations(pixels(2)).before)
    assert torch.equal(made.norm(depths[1]).relu(), last)


@torch.inference_mode()
def test_nothing_is_computed_beyond_the_last_intermediate(pixels: Pixels) -> None:
    made = zoo.create("wrn16-ours").eval()
    made.last_stage.register_forward_hook(lambda *_: pytest.fail("computed"))
    [tensor] = made.forward_intermediates(pixels(1), [1], intermediates_only=True)
    assert tensor.shape == (1, 32, 32, 32)


@pytest.mark.parametrize("variant", [*VARIANTS, *CONTROLS])
def test_reset_classifier_replaces_what_is_of_the_classes(variant: str, pixels: Pixels) -> None:
    made = zoo.create(variant).eval()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    for tensor in made.parameters():
        tensor.requires_grad_(False)
    made.reset_classifier(7)
    assert made.num_classes == 7
    made.require_consistent_classes()
    after, like = made.state_dict(), zoo.create(variant, num_classes=7).state_dict()
    assert list(after) == list(like)
    assert {name: tensor.shape for name, tensor in after.items()} == {n: tensor.shape for n, tensor in like.items()}
    for name in after.keys() - made.class_tensors():
        assert torch.equal(after[name], before[name]), name
    # The new tensors are to be trained, by the image's label and by that of the patches.
    answer = made.semantics(pixels(2, 16))
    (answer.logits.sum() + (answer.patch_logits * torch.randn(7, 1, 1)).sum()).backward()
    trained = {name for name, tensor in made.named_parameters() if tensor.grad is not None}
    assert trained == {name for name, _ in made.named_parameters()} & made.class_tensors()
    assert not any(module.training for module in made.modules())


@pytest.mark.parametrize("assignment", ["softmax", "softmax_no_slack", "bn_relu"])
def test_reset_classifier_keeps_the_assignment_and_the_templates(assignment: str, pixels: Pixels) -> None:
    made = zoo.create("dn100-ours-c", assignment=assignment, templates=3)
    made.reset_classifier(4)
    like = zoo.create("dn100-ours-c", num_classes=4, assignment=assignment, templates=3)
    like.load_state_dict(made.state_dict())
    with torch.inference_mode():
        found, expected = made.eval().predict(pixels(2)), like.eval().predict(pixels(2))
    assert found["templates"].shape[1] == 13
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_reset_classifier_keeps_type_and_mode() -> None:
    made = zoo.create("wrn16-ours").double()
    made.reset_classifier(3)
    assert {tensor.dtype for tensor in made.parameters()} == {torch.float64}
    assert all(module.training for module in made.modules())
    assert made.block.keys.weight.std() > 0.05  # He initialisation, as of every other convolution


def test_new_classes_are_another_identity() -> None:
    made = zoo.load("wrn16-ours")
    made.reset_classifier(10)
    assert made.config is None
    assert made.semantics(made.pixels(torch.rand(3, 32, 32))).classes == ()


@pytest.mark.parametrize("variant", ["wrn16", "wrn16-aux", "wrn16-ours"])
@torch.inference_mode()
def test_a_network_without_classifier_gives_embeddings(variant: str, pixels: Pixels) -> None:
    made = zoo.create(variant).eval()
    expected = made.forward_head(made.forward_features(pixels(2)), pre_logits=True)
    made.reset_classifier(0)
    assert made.num_classes == 0
    assert torch.equal(made(pixels(2)), expected)
    with pytest.raises(InputError, match="classifier was removed"):
        made.semantics(pixels(2))
    with pytest.raises(InputError, match=r"reset_classifier\(C\)"):
        made.require_consistent_classes()
    made.reset_classifier(5)
    assert made.semantics(pixels(2)).logits.shape == (2, 5)
    made.require_consistent_classes()


@pytest.mark.parametrize("classes", [1, -1])
def test_reset_classifier_to_a_number_that_is_not_possible(classes: int) -> None:
    made = zoo.create("wrn16-ours")
    with pytest.raises(InputError, match=f"num_classes = {classes}: .* at least 2, and 0"):
        made.reset_classifier(classes)
    assert made.num_classes == 10


def test_timm_reads_the_configuration() -> None:
    made = zoo.load("wrn16-ours")
    found = made.pretrained_cfg
    assert found["input_size"] == (3, 32, 32)
    assert (found["architecture"], found["tag"], found["num_classes"]) == ("wrn16-ours", "cifar10", 10)
    assert found["label_names"][3] == "cat"
    # The network expects pixels in 0..1, and normalises them itself.
    assert (set(found["mean"]), set(found["std"])) == ({0.0}, {1.0})
    assert made.get_submodule(found["classifier"]) is made.get_classifier()
    assert made.get_submodule(found["first_conv"]).in_channels == 3
    assert zoo.create("wrn16").pretrained_cfg["label_names"] is None


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_an_embedding_is_what_the_classifier_sees(variant: str, network: Networks, pixels: Pixels) -> None:
    made, images = network(variant), pixels(3)
    embeddings = made.embed(images)
    assert embeddings.shape == (3, made.num_features)
    assert torch.equal(embeddings, made.forward_head(made.forward_features(images), pre_logits=True))
    torch.testing.assert_close(made.get_classifier()(embeddings), made(images))
    predicted = made.predict(images)
    assert torch.equal(predicted["embedding"], embeddings)
    assert "embedding" in [output.name for output in made.outputs]


@torch.inference_mode()
def test_images_are_embedded_in_batches(
    network: Networks, pixels: Pixels, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, images = network("wrn16"), pixels(5)
    whole = made.embed(images)
    monkeypatch.setattr("zoo.networks.network.EMBED_BATCH", 2)
    torch.testing.assert_close(made.embed(images), whole)
    # Whatever `pixels` takes; also at another size, and without a classifier.
    torch.testing.assert_close(made.embed([photo_file, photo_file])[1:], made.embed(str(photo_file)))
    assert made.embed(photo_file, size=40).shape == (1, made.num_features)
    with pytest.raises(InputError):
        made.embed(images[:, :2])


@torch.inference_mode()
def test_a_network_without_a_classifier_embeds(pixels: Pixels) -> None:
    made = zoo.create("wrn16-ours", num_classes=4).eval()
    expected = made.embed(pixels(2))
    made.reset_classifier(0)
    assert torch.equal(made.embed(pixels(2)), expected)
