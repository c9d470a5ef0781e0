"""A training in a few lines, on the CPU, for tests of what it consists of."""

from dataclasses import asdict
from pathlib import Path

from training import loop
from training.data.images import LabelledImages
from training.feed import BatchStream
from training.loop import TrainedNetwork
from training.model import start_network
from training.processes import join_processes
from training.recipe import Recipe


def train(
    variant: str, images: LabelledImages, recipe: Recipe, run: Path, stop_after: int | None = None
) -> TrainedNetwork:
    """Train a variant in this process; the checkpoint's identity is `identity(variant, images, recipe)`."""
    fabric, _ = join_processes("cpu", recipe.precision)
    feed = BatchStream(images, recipe, fabric.device)
    network = start_network(variant, images, recipe).network
    return loop.train(fabric, network, feed, run, identity(variant, images, recipe), stop_after=stop_after)


def identity(variant: str, images: LabelledImages, recipe: Recipe) -> dict[str, object]:
    """What tells one run of `train` from another."""
    return {"variant": variant, "data": images.digest(), **asdict(recipe)}
