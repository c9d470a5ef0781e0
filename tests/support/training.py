"""A training in a few lines, for tests of what it consists of."""

from dataclasses import asdict, replace
from pathlib import Path

from training import loop
from training.captured_step import Capture
from training.data.images import LabelledImages
from training.distillation.teacher import Teacher, open_teacher
from training.feed import BatchStream
from training.loop import TrainedNetwork
from training.model import start_network
from training.processes import join_processes
from training.recipe import Recipe


def train(
    variant: str,
    images: LabelledImages,
    recipe: Recipe,
    run: Path,
    stop_after: int | None = None,
    capture: Capture | None = None,
    device: str = "cpu",
    taught_once: bool = False,
) -> TrainedNetwork:
    """Train a variant in this process; the checkpoint's identity is `identity(variant, images, recipe)`.

    The recipe's teacher, if it has one, computes each step's images, or all of them once.
    """
    fabric, _ = join_processes(device)
    feed = BatchStream(images, recipe, fabric.device)
    package = open_teacher(recipe, images.classes, run)
    teacher = package and Teacher.load(package, images.classes, fabric.device)
    if teacher and taught_once:
        feed = replace(feed, teacher_logits=teacher.logits_of_all(images.images))
    network = start_network(variant, images, recipe).network
    own = identity(variant, images, recipe)
    return loop.train(fabric, network, feed, run, own, stop_after=stop_after, capture=capture, teacher=teacher)


def identity(variant: str, images: LabelledImages, recipe: Recipe) -> dict[str, object]:
    """What tells one run of `train` from another."""
    return {"variant": variant, "data": images.digest(), **asdict(recipe)}
