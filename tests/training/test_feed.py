from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from training import feed as module
from training.data.images import LabelledImages
from training.feed import Batch, BatchStream, steps_at_once
from training.recipe import Recipe

First = Callable[[int], LabelledImages]
CPU = torch.device("cpu")

EVERYTHING = {"cutout": 8, "mixup": 0.4, "flip": "alternating"}
COMPOSED = {"cutout": 8, "canvas": 0.5, "cutmix": 0.3}


@pytest.fixture
def feed(first: First, tiny: Recipe) -> Callable[..., BatchStream]:
    """`feed(count, **changes)`: of the first so many images, four steps of 16 an epoch for 64."""
    return lambda count=64, rank=0, processes=1, **changes: BatchStream(
        first(count), replace(tiny, **changes), CPU, rank, processes
    )


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other)
    for batch, expected in zip(one, other, strict=True):
        for one_tensor, other_tensor in zip(batch, expected, strict=True):
            torch.testing.assert_close(one_tensor, other_tensor, rtol=0, atol=0)


def test_an_epoch_has_every_image_once(feed: Callable[..., BatchStream]) -> None:
    made = feed(70, crop_padding=0, flip="none", growth=(1.0,))
    assert (made.steps_per_epoch, made.steps) == (4, 12)
    batches = list(made.batches())
    assert [len(batch.labels) for batch in batches] == [16] * 12
    first_epoch = torch.cat([batch.pixels for batch in batches[:4]]).flatten(1)
    originals = made.images.images.flatten(1)
    found = (first_epoch[:, None] == originals[None]).all(2).nonzero()[:, 1]
    assert len(found) == len(set(found.tolist())) == 64
    assert torch.equal(torch.cat([batch.labels for batch in batches[:4]]), made.images.labels[found])
    assert not torch.equal(batches[0].pixels, batches[4].pixels)


def test_targets_are_the_labels(feed: Callable[..., BatchStream]) -> None:
    batch = next(feed().batches())
    assert torch.equal(batch.targets.argmax(1), batch.labels)
    assert torch.equal(batch.targets.sum(1), torch.ones(16))


def test_a_share_of_the_images_takes_the_neighbours_assignment(feed: Callable[..., BatchStream]) -> None:
    own = torch.arange(16)
    sources = torch.stack([batch.source for batch in feed(512, interchange=0.25).batches()])
    assert (sources != own).float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert torch.equal(sources[sources != own], (own ^ 1).expand_as(sources)[sources != own])
    assert all(torch.equal(batch.source, own) for batch in feed(64, interchange=0.0).batches())


def test_the_last_of_an_odd_number_has_no_neighbour(feed: Callable[..., BatchStream]) -> None:
    sources = [batch.source for batch in feed(9, interchange=0.9, batch_size=9).batches()]
    assert all(source[-1] == 8 for source in sources)


def test_interchanges_change_nothing_else_that_is_drawn(feed: Callable[..., BatchStream]) -> None:
    for one, other in zip(feed(interchange=0.0).batches(), feed(interchange=0.5).batches(), strict=True):
        assert torch.equal(one.pixels, other.pixels)


def test_whoever_takes_an_assignment_takes_part_of_its_label() -> None:
    targets = torch.eye(3)
    batch = Batch(torch.empty(0), torch.arange(3), targets, torch.tensor([1, 1, 2]))
    expected = torch.tensor([[0.75, 0.25, 0], [0, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(batch.interchanged(0.25), expected)


@pytest.mark.parametrize("changes", [{}, EVERYTHING, COMPOSED])
def test_a_run_that_starts_in_the_middle_sees_the_same(
    feed: Callable[..., BatchStream], changes: dict[str, object]
) -> None:
    whole = list(feed(**changes).batches())
    for start in (1, 4, 9):
        assert_same(list(feed(**changes).batches(start)), whole[start:])


@pytest.mark.parametrize("changes", [{}, EVERYTHING, COMPOSED])
@pytest.mark.parametrize("count", [3, 100])
def test_steps_augmented_together_are_the_same(
    feed: Callable[..., BatchStream], changes: dict[str, object], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU; from the middle of an epoch, and for one of two processes."""
    made, part = feed(**changes), feed(rank=1, processes=2, **changes)
    whole, rest = list(made.batches()), list(part.batches(5))
    monkeypatch.setattr(module, "steps_at_once", lambda *arguments: count)
    assert_same(list(made.batches()), whole)
    assert_same(list(part.batches(5)), rest)


@pytest.mark.parametrize("changes", [{}, EVERYTHING, COMPOSED])
def test_nothing_is_read_back_from_a_gpu(
    first: First, tiny: Recipe, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tensors that have a device but no values: reading one, and mixing devices, are errors."""
    gpu = torch.device("cuda:0")
    colour = torch.zeros(3, dtype=torch.uint8)
    monkeypatch.setattr(BatchStream, "_mean_colour", lambda stream: colour.to(gpu))  # read once, on the CPU
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)  # needs a driver
    made = BatchStream(first(64), replace(tiny, interchange=0.5, **changes), gpu)
    with FakeTensorMode(allow_non_fake_inputs=True):
        batches = list(made.batches())
    assert len(batches) == made.steps
    assert {field.device for batch in batches for field in batch if field is not None} == {gpu}
    assert all(batch.pixels.is_contiguous(memory_format=torch.channels_last) for batch in batches)


def test_a_gpu_augments_as_many_steps_as_fit() -> None:
    gpu = torch.device("cuda")
    assert steps_at_once(CPU, 128, 32) == 1
    assert steps_at_once(gpu, 128, 32) == 2**27 // (128 * 3 * 32 * 32 * 4)
    assert steps_at_once(gpu, 127, 32) == 1  # the last image has no neighbour
    assert steps_at_once(gpu, 2, 10_000) == 1


@pytest.mark.parametrize("changes", [{}, EVERYTHING, COMPOSED])
def test_processes_share_the_batch_of_one(feed: Callable[..., BatchStream], changes: dict[str, object]) -> None:
    parts = [feed(rank=rank, processes=2, **changes).batches() for rank in (0, 1)]
    for whole, one, other in zip(feed(**changes).batches(), *parts, strict=True):
        joined = Batch(*(None if None in pieces else torch.cat(pieces) for pieces in zip(one, other, strict=True)))
        source = joined.source + torch.arange(16) // 8 * 8  # each process counts its images from 0
        assert_same([joined._replace(source=source)], [whole])


@pytest.mark.parametrize("processes", [1, 2])
def test_each_image_has_the_logits_of_its_teacher(feed: Callable[..., BatchStream], processes: int) -> None:
    made = feed(processes=processes, rank=processes - 1, crop_padding=0, flip="none", growth=(1.0,))
    assert isinstance(made.images, LabelledImages)
    sums = made.images.images.sum(dim=(1, 2, 3)).float()
    for batch in replace(made, teacher_logits=torch.stack([sums, -sums], dim=1)).batches():
        assert batch.teacher_logits is not None
        torch.testing.assert_close(batch.teacher_logits[:, 0], batch.pixels.sum(dim=(1, 2, 3)).float())
    assert all(batch.teacher_logits is None for batch in made.batches())


def test_patches_have_the_label_of_what_they_show(feed: Callable[..., BatchStream]) -> None:
    batch = next(feed(canvas=0.4, cutmix=0.4).batches())
    assert batch.patch_targets is not None
    labelled = batch.patch_targets.sum(dim=1)
    assert batch.patch_targets.shape[1:] == (batch.targets.shape[1], *(side // 4 for side in batch.pixels.shape[2:]))
    assert labelled.min() == 0  # canvas
    assert labelled.max() == 1
    torch.testing.assert_close(batch.targets.sum(dim=1), torch.ones(16))
    mixed = batch.targets.max(dim=1).values < 1
    assert mixed.any()  # CutMix
    assert not mixed.all()
    torch.testing.assert_close(labelled[mixed], torch.ones_like(labelled[mixed]))


def test_compositions_change_nothing_else_that_is_drawn(feed: Callable[..., BatchStream]) -> None:
    for one, other in zip(feed().batches(), feed(canvas=0.2, cutmix=0.2).batches(), strict=True):
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.source, other.source)
        assert any(torch.equal(*pair) for pair in zip(one.pixels, other.pixels, strict=True))


def test_sizes_grow(feed: Callable[..., BatchStream]) -> None:
    assert [batch.pixels.shape[-1] for batch in feed().batches()] == [16] * 8 + [32] * 4


def mirrored(feed: BatchStream) -> list[Tensor]:
    """For each epoch, whether each image, in the order of the data set, was mirrored."""
    originals, found = feed.images.images, []
    epochs = [list(feed.batches())[start : start + feed.steps_per_epoch] for start in range(0, feed.steps, 4)]
    for epoch in epochs:
        seen = torch.cat([batch.pixels for batch in epoch])
        kept = torch.stack([(seen == image).flatten(1).all(1).any() for image in originals])
        turned = torch.stack([(seen == image.flip(2)).flatten(1).all(1).any() for image in originals])
        assert torch.equal(kept, ~turned)
        found.append(turned)
    return found


def test_alternating_flips_show_both_sides_in_two_epochs(feed: Callable[..., BatchStream]) -> None:
    one, two, three = mirrored(feed(flip="alternating", crop_padding=0, growth=(1.0,)))
    assert 16 < int(one.sum()) < 48
    assert torch.equal(one, ~two)
    assert torch.equal(one, three)


def test_random_flips_do_not(feed: Callable[..., BatchStream]) -> None:
    one, two, _ = mirrored(feed(crop_padding=0, growth=(1.0,)))
    assert 8 < int((one == two).sum()) < 56


def test_cutout_grows_with_the_images(feed: Callable[..., BatchStream]) -> None:
    """A square of the images' mean colour."""
    made = feed(cutout=8, crop_padding=0, flip="none")
    colour = (255 * torch.tensor(made.images.normalization().mean)).byte()
    for batch in made.batches():
        side = batch.pixels.shape[-1] // 4
        painted = (batch.pixels == colour[:, None, None]).all(1).flatten(1).sum(1)
        assert side**2 / 4 <= painted.min() <= painted.max() <= side**2 + 8


def test_mixed_images_have_mixed_labels(feed: Callable[..., BatchStream]) -> None:
    batch = next(feed(mixup=1.0, label_smoothing=0.0).batches())
    assert batch.pixels.is_floating_point()
    assert 0 <= batch.pixels.min() < batch.pixels.max() <= 1
    torch.testing.assert_close(batch.targets.sum(1), torch.ones(16))
    assert ((batch.targets > 0).sum(1) > 1).any()


def test_the_seed_decides(feed: Callable[..., BatchStream]) -> None:
    one, same, other = (next(feed(seed=seed, **EVERYTHING).batches()) for seed in (1, 1, 2))
    assert torch.equal(one.pixels, same.pixels)
    assert not torch.equal(one.pixels, other.pixels)
