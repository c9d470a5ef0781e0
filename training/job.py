"""One training from the name of its data to its model directory and accuracy."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from training.data import LabelledImages
from training.evaluate import evaluate
from training.feed import Feed
from training.loop import train
from training.pictures import data_set_name, hold_out, open_splits
from training.prepare import Unreadable, choose_input_size, prepare
from training.processes import join_processes
from training.recipe import Recipe
from training.save import describe, record_evaluation, save_model
from training.start import start_network
from training.stream import StreamedImages
from zoo.errors import InputError
from zoo.package import Package
from zoo.registry import info
from zoo.torch_predictor import TorchPredictor

UNREADABLE_FILE = "unreadable.txt"
SHOWN = 10
"""Classes and unreadable pictures named on the screen."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained, on what, and where it goes."""

    variant: str
    source: str
    """The data, as `training.pictures.open_splits` takes it."""
    recipe: Recipe
    recipe_name: str
    """The named recipe that it was before changes."""
    run: Path
    """Folder of checkpoint and log."""
    out: Path
    """The model directory."""
    hold_out: bool = False
    """Keep a tenth of the training images for measuring, and leave the test split unread."""
    limit: int | None = None
    """The first so many training images only."""
    unreadable: Unreadable = "stop"
    workers: int | None = None
    """Processes that decode pictures which are not held in memory; None for one a core."""
    device: str = "auto"
    compiled: bool = False


def run_job(job: Job, say: Say) -> Package:
    """Train, write the model directory and measure its accuracy; a run that was stopped goes on where it was.

    The test split is read once, at the end. Without one, or where the job says so, a tenth of the training images is
    held out and measured instead.

    Arguments:
        job: what to do.
        say: takes sentences for a person, in the first process alone.

    Raises:
        ZooError: of many kinds; see `open_splits`, `prepare`, `start_network` and `train`.
    """
    info(job.variant)
    if job.limit is not None and job.limit < 1:
        raise InputError(f"limit = {job.limit}: it must be above 0")
    fabric, why_device = join_processes(job.device, job.recipe.precision)
    tell: Say = say if fabric.is_global_zero else lambda sentence: None
    tell(f"computing on {fabric.device}: {why_device}")

    splits = open_splits(job.source)
    for note in splits.notes:
        tell(note)
    pictures, split, measured_pictures = splits.train, "test", splits.test
    if job.limit is not None:
        pictures = pictures.select(range(min(job.limit, len(pictures))))
    if job.hold_out or measured_pictures is None:
        split = "held-out"
        pictures, measured_pictures = hold_out(pictures)
    size, why_size = (job.recipe.input_size, "as asked") if job.recipe.input_size else choose_input_size(pictures)
    tell(f"input {size}x{size} pixels: {why_size}")
    # Not what is free now: a run that goes on later must choose as it did before.
    memory = torch.cuda.mem_get_info(fabric.device)[1] // 2 if fabric.device.type == "cuda" else None
    prepared = prepare(pictures, size, unreadable=job.unreadable, memory=memory)
    measured = prepare(measured_pictures, size, unreadable=job.unreadable, crops=False)
    images = prepared.images
    tell(f"{len(images.labels):,} training images: {prepared.why}")
    tell(_classes(images, job.recipe.balance))
    if unreadable := prepared.unreadable + measured.unreadable:
        tell(_unreadable(unreadable, job.run))
    recipe = job.recipe.fitted(size, len(images.labels), fabric.world_size)
    if recipe.batch_size != job.recipe.batch_size:
        tell(f"a step takes {recipe.batch_size} images instead of {job.recipe.batch_size}: there are no more")

    start = start_network(job.variant, images, recipe)
    workers = max(1, (os.cpu_count() or 1) // fabric.world_size) if job.workers is None else job.workers
    feed = Feed(images, recipe, fabric.device, fabric.global_rank, fabric.world_size, workers)
    held = isinstance(images, LabelledImages)
    identity = {"variant": job.variant, "data": images.digest(), "held": held, "start": start.weights, **asdict(recipe)}
    trained = train(fabric, start.network, feed, job.run, identity, compiled=job.compiled)

    data = data_set_name(job.source)
    config = describe(job.variant, data, images.classes, start.normalization, recipe, trained.network)
    evaluation = evaluate(TorchPredictor(trained.network, config), measured.images, fabric=fabric)
    package = Package(job.out, config)
    if fabric.is_global_zero:
        save_model(job.out, config, trained, images, recipe, job.recipe_name)
        record_evaluation(package, split, "torch", evaluation)
    fabric.barrier()
    tell(f"{package.path}: {evaluation.accuracy:.2f}% of {evaluation.images:,} {split} images")
    return package


def _classes(images: LabelledImages | StreamedImages, balanced: bool) -> str:
    """How many images each class has, and what an imbalance means."""
    counts = torch.bincount(images.labels, minlength=len(images.classes)).tolist()
    ordered = sorted(zip(counts, images.classes, strict=True), reverse=True)
    if counts[0] == min(counts) == max(counts):
        return f"{len(counts)} classes of {counts[0]:,} images each"
    if len(ordered) <= SHOWN:
        sizes = ", ".join(f"{name} {count:,}" for count, name in ordered)
    else:
        (most, largest), (fewest, smallest) = ordered[0], ordered[-1]
        sizes = f"from {smallest} with {fewest:,} to {largest} with {most:,} images"
    ratio = ordered[0][0] / max(ordered[-1][0], 1)
    remedy = "; each class counts the same in the loss" if balanced else "; --balance lets each count the same"
    return f"{len(counts)} classes: {sizes}" + (remedy if balanced or ratio >= 1.5 else "")


def _unreadable(pictures: tuple[str, ...], run: Path) -> str:
    """The pictures that were left out; a file names all of them."""
    run.mkdir(parents=True, exist_ok=True)
    (run / UNREADABLE_FILE).write_text("\n".join(pictures) + "\n")
    shown = "".join(f"\n  {picture}" for picture in pictures[:SHOWN])
    more = f"\n  ... all of them in {run / UNREADABLE_FILE}" if len(pictures) > SHOWN else ""
    return f"{len(pictures)} unreadable files were left out:{shown}{more}"
