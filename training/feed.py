"""Batches for the steps of a run, each a function of only the recipe, its seed and the step.

Thus a resumed run sees the same batches as an uninterrupted one, and processes that share a batch together see the same
images as a single one: random numbers are drawn on the CPU for the whole batch, and each process takes its part.
(Mixup, CutMix, canvases and interchanges pair neighbours, so the parts have an even number of images, which
`Recipe.fitted` ensures.)

A GPU augments the images of many steps at once, since for those of a single one it would take longer to launch the
many short kernels than to compute them.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from training import augment
from training.composition import compose
from training.data.images import LabelledImages
from training.data.stream import Example, StreamedImages, stream
from training.recipe import Recipe

MAX_AUGMENTED_BYTES = 2**27
"""Size in bytes, in floating point, of the images that a GPU augments at once; it needs several times as much."""


class Batch(NamedTuple):
    """Images and labels of a training step."""

    pixels: Tensor
    """[N, 3, S, S], uint8, or floating point in 0..1 with mixup."""
    labels: Tensor
    """[N], class indices; for mixed images, that of the image itself."""
    targets: Tensor
    """[N, C], the share of each class."""
    source: Tensor
    """[N], index in the batch of the image whose assignment each image uses, mostly itself; see
    `Recipe.interchange`."""
    patch_targets: Tensor | None = None
    """[N, C, S / 4, S / 4], the share of each patch's area that shows each class; None if all show the label."""
    teacher_logits: Tensor | None = None
    """[N, C], class logits of the teacher; None without one, or if it computes each batch."""

    def interchanged(self, share: float) -> Tensor:
        """Targets [N, C], with a share from the image whose assignment is used."""
        return self.targets.lerp(self.targets[self.source], share)

    def clone(self) -> "Batch":
        """A copy, in memory of its own."""
        pixels, labels, targets, source = (field.clone() for field in self[:4])
        shown, taught = (None if field is None else field.clone() for field in self[4:])
        return Batch(pixels, labels, targets, source, shown, taught)

    def split(self, count: int) -> Iterator["Batch"]:
        """Batches of `count` images each."""
        fields = (
            [None] * (len(self.labels) // count) if field is None else torch.split(field, count) for field in self
        )
        return map(Batch, *fields)


class Draws(NamedTuple):
    """Random numbers of a step, for each of its N images."""

    chosen: Tensor
    """[N], indices of the images."""
    shift: Tensor
    """[2, N], shift of the crop in pixels."""
    mirrored: Tensor
    """[N], bool, whether each image is mirrored."""
    centre: Tensor
    """[2, N], centre of the cutout square in pixels."""
    share: Tensor
    """[N], weight of the image itself in mixup."""
    seeds: Tensor
    """[N], seeds of the crops of images that are not held in memory."""
    interchanged: Tensor
    """[N], bool, whether each image uses its neighbour's assignment."""
    kind: Tensor
    """[N], in 0..1, which kind of composition each image gets."""
    place: Tensor
    """[3, N], in 0..1, size and place of the composition's parts."""
    noise: Tensor
    """[S, S, N], white noise for the textures; without a canvas [0, N]."""

    def part(self, rank: int, processes: int) -> "Draws":
        """Part of one of several processes."""
        length = len(self.chosen) // processes
        return Draws(*(field[..., rank * length : (rank + 1) * length] for field in self))

    @staticmethod
    def joined(steps: Sequence["Draws"]) -> "Draws":
        """Draws of several steps, one after the other."""
        return Draws(*(torch.cat(fields, dim=-1) for fields in zip(*steps, strict=True)))

    def split(self, count: int) -> Iterator["Draws"]:
        """Draws for `count` images each."""
        return map(Draws, *(torch.split(field, count, dim=-1) for field in self))

    def to(self, device: torch.device) -> "Draws":
        """Move to a device, without synchronising with a GPU."""
        if device.type != "cuda":
            return Draws(*(field.to(device) for field in self))
        return Draws(*(field.contiguous().pin_memory().to(device, non_blocking=True) for field in self))


@dataclass(frozen=True, slots=True)
class BatchStream:
    """Augmented batches of a run.

    Images that are held in memory are moved to the device once and augmented there; others are decoded and cropped by
    workers.
    """

    images: LabelledImages | StreamedImages
    recipe: Recipe
    device: torch.device
    rank: int = 0
    """Rank of this process, which gets one of `processes` equal parts of each batch."""
    processes: int = 1
    workers: int = 0
    """Number of worker processes for decoding images that are not held in memory."""
    teacher_logits: Tensor | None = None
    """[images, C], class logits of the teacher on the device; None without one, or if it computes each batch."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of full batches in an epoch."""
        return len(self.images.labels) // self.recipe.batch_size

    @property
    def steps(self) -> int:
        """Number of steps in the run."""
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def _part(self) -> int:
        """Number of images of a batch in this process."""
        return self.recipe.batch_size // self.processes

    def batches(self, start: int = 0) -> Generator[Batch, None, None]:
        """Batches from step `start` on."""
        fill = self._mean_colour() if self.recipe.cutout else None
        return self._held(start, fill) if isinstance(self.images, LabelledImages) else self._streamed(start, fill)

    def _held(self, start: int, fill: Tensor | None) -> Generator[Batch, None, None]:
        assert isinstance(self.images, LabelledImages)
        whole, labels = self.images.images.to(self.device), self.images.labels.to(self.device)
        images = torch.empty(0)
        for size, draws in self._chunks(start):
            if size != images.shape[-1]:
                images = torch.empty(0)  # freed before the next ones are allocated
                images = augment.resize(whole, size)
            pixels = augment.crop_and_flip(images[draws.chosen], draws.shift, draws.mirrored)
            yield from self._augmented(pixels, labels[draws.chosen], draws, fill).split(self._part)

    def _streamed(self, start: int, fill: Tensor | None) -> Generator[Batch, None, None]:
        assert isinstance(self.images, StreamedImages)
        examples = (
            [
                Example(index, size, seed)
                for index, seed in zip(draws.chosen.tolist(), draws.seeds.tolist(), strict=True)
            ]
            for size, draws in self._draws(start)
        )
        batches = stream(self.images, examples, self.workers, pin=self.device.type == "cuda")
        # The workers are steps ahead of the loop, so the draws of each step are repeated here.
        steps = (draws for _, chunk in self._chunks(start) for draws in chunk.split(self._part))
        for draws, (pixels, labels) in zip(steps, batches, strict=True):
            on_device = pixels.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
            flipped = augment.flip(on_device, draws.mirrored)
            yield self._augmented(flipped, labels.to(self.device, non_blocking=True), draws, fill)

    def _augmented(self, pixels: Tensor, labels: Tensor, draws: Draws, fill: Tensor | None) -> Batch:
        """Cropped and flipped images of one or more batches with all other augmentation."""
        recipe = self.recipe
        targets = F.one_hot(labels, len(self.images.classes)).float()
        if fill is not None:
            side = math.ceil(recipe.cutout * pixels.shape[-1] / recipe.input_size)
            pixels = augment.cutout(pixels, side, draws.centre, fill)
        patch_targets = None
        if recipe.mixup:
            pixels, targets = augment.mixup(pixels, targets, draws.share)
        elif recipe.composed:
            parts = (draws.kind, draws.place, draws.noise)
            pixels, shown = compose(pixels, *parts, recipe.canvas, recipe.cutmix)
            patch_targets = augment.mix_labels(targets, shown)
            targets = F.normalize(patch_targets.sum(dim=(2, 3)), p=1, dim=1)
        source = augment.interchange(draws.interchanged) % self._part
        taught = None if self.teacher_logits is None else self.teacher_logits[draws.chosen]
        return Batch(pixels, labels, targets, source, patch_targets, taught)

    def _chunks(self, start: int) -> Iterator[tuple[int, Draws]]:
        """Side of the images, and draws of several steps of an epoch on the device, from step `start` on."""
        steps = self._draws(start)
        while start < self.steps:
            left = self.steps_per_epoch - start % self.steps_per_epoch
            size = self.recipe.side(start // self.steps_per_epoch)
            count = min(left, steps_at_once(self.device, self._part, size))
            yield size, Draws.joined([draws for _, draws in islice(steps, count)]).to(self.device)
            start += count

    def _draws(self, start: int) -> Iterator[tuple[int, Draws]]:
        """Side of the images, and this process's part of the draws, for each step from `start` on."""
        recipe, length = self.recipe, len(self.images.labels)
        mirrored_first = torch.rand(length, generator=self._generator(recipe.epochs + self.steps)) < 0.5
        order, ordered_epoch = torch.empty(0), -1
        for step in range(start, self.steps):
            epoch, batch = divmod(step, self.steps_per_epoch)
            if epoch != ordered_epoch:
                order, ordered_epoch = torch.randperm(length, generator=self._generator(epoch)), epoch
            chosen = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
            size, count = recipe.side(epoch), len(chosen)
            padding = math.ceil(recipe.crop_padding * size / recipe.input_size)
            generator = self._generator(recipe.epochs + step)
            shift = torch.randint(-padding, padding + 1, (2, count), generator=generator)
            mirrored = torch.rand(count, generator=generator) < 0.5
            if recipe.flip == "alternating":
                mirrored = mirrored_first[chosen] ^ bool(epoch % 2)
            draws = Draws(
                chosen,
                shift,
                mirrored & (recipe.flip != "none"),
                centre=torch.randint(size, (2, count), generator=generator),
                share=self._shares(count, step),
                seeds=torch.randint(2**62, (count,), generator=generator),
                interchanged=torch.rand(count, generator=generator) < recipe.interchange,
                kind=torch.rand(count, generator=generator),
                place=torch.rand(3, count, generator=generator),
                noise=torch.randn((size, size, count) if recipe.canvas else (0, count), generator=generator),
            )
            yield size, draws.part(self.rank, self.processes)

    def _mean_colour(self) -> Tensor:
        return (255 * torch.tensor(self.images.normalization().mean)).byte().to(self.device)

    def _shares(self, count: int, step: int) -> Tensor:
        if not self.recipe.mixup:
            return torch.ones(count)
        return augment.beta(self.recipe.mixup, count, self._stream(self.recipe.epochs + step))

    def _generator(self, stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(self._stream(stream))

    def _stream(self, number: int) -> int:
        """Seed of a stream of random numbers, a function of only the recipe's seed and the stream's number."""
        return self.recipe.seed * 1_000_003 + number


def steps_at_once(device: torch.device, batch_size: int, size: int) -> int:
    """Number of steps to augment at once: one on a CPU, whose caches hold a single batch, several on a GPU.

    An odd batch is alone, since neighbours are paired from its first image on.
    """
    if device.type != "cuda" or batch_size % 2:
        return 1
    return max(1, MAX_AUGMENTED_BYTES // (batch_size * 3 * size * size * torch.float32.itemsize))
