"""The teacher: a trained network that computes class logits for the images of a student."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.images import LabelledImages
from training.device import choose_precision
from training.distillation.loss import SoftTargets
from training.feed import Batch, BatchStream
from training.recipe import Recipe
from zoo.errors import InputError
from zoo.hub import open_model
from zoo.networks.load import load_package
from zoo.networks.network import Network
from zoo.package import NETWORK_FILES, ModelConfig, Package
from zoo.progress import duration
from zoo.terminal import progress_bar

BATCH = 256
"""Images at once when those of a whole data set are computed."""
LISTED = 5
"""Maximum number of classes in a message."""


def open_teacher(recipe: Recipe, classes: Sequence[str], out: Path) -> Package | None:
    """The recipe's teacher, with its digest checked; None if it has none.

    Arguments:
        recipe: the student's recipe.
        classes: classes of the student's data set.
        out: the model directory that the student is written to.

    Raises:
        InputError: the teacher has other classes, or would be replaced by the student.
        PackageError: it does not exist, is damaged, or has no weights.
    """
    if not recipe.teacher:
        return None
    package = open_model(recipe.teacher, NETWORK_FILES)
    if package.path.resolve() == out.resolve():
        raise InputError(
            f"teacher = {recipe.teacher!r} is the model directory that this run writes; choose another one with --out"
        )
    known = package.config.classes
    differences = [
        f"{which} has {', '.join(names[:LISTED])}{' and others' if len(names) > LISTED else ''}"
        for which, names in (
            ("only the teacher", [name for name in known if name not in classes]),
            ("only the data", [name for name in classes if name not in known]),
        )
        if names
    ]
    if differences:
        raise InputError(
            f"teacher = {recipe.teacher!r}: the classes of {package.config.name} are not those of the data: "
            f"{'; '.join(differences)}; choose a teacher that was trained on the same classes"
        )
    package.weights()
    return package


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained network whose class probabilities a student learns."""

    network: Network
    """In evaluation mode."""
    config: ModelConfig
    order: Tensor
    """[C], the index in the teacher's classes of each of the student's."""

    @staticmethod
    def load(package: Package, classes: Sequence[str], device: torch.device) -> "Teacher":
        """Teacher of a model directory, for a student with the same classes in any order."""
        network = load_package(package).requires_grad_(False)
        network.to(device).to(memory_format=torch.channels_last)
        order = torch.tensor([package.config.classes.index(name) for name in classes], device=device)
        return Teacher(network, package.config, order)

    @torch.no_grad()
    def logits(self, pixels: Tensor) -> Tensor:
        """Class logits [N, C], in the order of the student's classes.

        Arguments:
            pixels: [N, 3, S, S], uint8 or floating point in 0..1; scaled to the teacher's input size, and normalised as
                the teacher was trained.
        """
        size = self.config.input_size
        if pixels.shape[-1] != size:
            pixels = pixels if pixels.is_floating_point() else pixels / 255
            pixels = F.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True).clamp(0, 1)
        return self.network(pixels.contiguous(memory_format=torch.channels_last))[:, self.order]

    def targets(self, batch: Batch, recipe: Recipe, *, interchanged: bool) -> SoftTargets:
        """Soft targets of a batch.

        Arguments:
            batch: with the teacher's logits, or they are computed here.
            recipe: the student's recipe.
            interchanged: whether images use the assignment of `batch.source`, and thus a share of its label.
        """
        logits = self.logits(batch.pixels) if batch.teacher_logits is None else batch.teacher_logits
        probabilities = F.softmax(logits.float() / recipe.distill_temperature, dim=1)
        if interchanged:
            probabilities = probabilities.lerp(probabilities[batch.source], recipe.interchanged_label)
        return SoftTargets(probabilities, recipe.distill_temperature, recipe.distill_weight)

    def logits_of_all(self, images: Tensor, progress: Callable[[int], None] = lambda done: None) -> Tensor:
        """Class logits [N, C] of all images of a data set, on the teacher's device.

        Arguments:
            images: [N, 3, S, S], uint8.
            progress: called with the number of images done.
        """
        parts = []
        for start in range(0, len(images), BATCH):
            parts.append(self.logits(images[start : start + BATCH].to(self.order.device)).float())
            progress(min(start + BATCH, len(images)))
        return torch.cat(parts)

    def teach(self, feed: BatchStream, tell: Callable[[str], None], shown: bool = True) -> BatchStream:
        """Batches with the class logits of the teacher, if nothing random changes the images.

        Otherwise the batches as they are, for each of which `targets` computes the logits.

        Arguments:
            feed: the student's batches.
            tell: called with what the teacher costs.
            shown: whether to show a progress bar.
        """
        images, name = feed.images, self.config.name
        if feed.recipe.changes_images or not isinstance(images, LabelledImages):
            cost = self.seconds_per_step(feed)
            tell(f"teacher {name}: computed in each step, since the images change; about {cost:.2g} s per step")
            return feed
        started = time.monotonic()
        with progress_bar(shown) as progress:
            task = progress.add_task(f"teacher {name}", total=len(images.labels), status="")
            logits = self.logits_of_all(images.images, lambda done: progress.update(task, completed=done))
        tell(f"teacher {name}: computed once per image, in {duration(time.monotonic() - started)}")
        return replace(feed, teacher_logits=logits)

    def seconds_per_step(self, feed: BatchStream) -> float:
        """Time for the class logits of a batch at full size, in the precision of the recipe."""
        recipe, device = feed.recipe, feed.device
        size, (precision, _) = recipe.input_size, choose_precision(recipe.precision, device)
        pixels = torch.zeros(recipe.batch_size // feed.processes, 3, size, size, dtype=torch.uint8, device=device)
        with torch.autocast(device.type, torch.bfloat16, precision == "bf16", cache_enabled=False):
            for _ in range(2):  # the first one allocates memory and chooses algorithms
                started = time.monotonic()
                self.logits(pixels).sum().item()  # waits for a GPU
        return time.monotonic() - started
