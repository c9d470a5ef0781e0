"""One training from the name of its data to its model directory and accuracy."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric
from rich.progress import Progress

from training.checkpoint import UNREADABLE_FILE
from training.data.data_set import (
    HELD_OUT,
    EncodedImages,
    class_counts,
    data_digest,
    data_set_name,
    hold_out,
    open_splits,
    sample,
)
from training.data.images import LabelledImages
from training.data.prepare import choose_input_size, prepare
from training.data.stream import StreamedImages
from training.evaluate import evaluate
from training.feed import BatchStream
from training.loop import train
from training.model import describe, record_evaluation, save_model, start_network
from training.processes import join_processes, processes_here
from training.recipe import Recipe
from zoo.errors import DataError, InputError
from zoo.files import require_writable, write_atomically
from zoo.machine import cores, total_memory
from zoo.networks.network import Network
from zoo.package import ModelConfig, Package
from zoo.package.metrics import HELD_OUT_SHARE, Training
from zoo.predictors.torch import TorchPredictor
from zoo.printable import encodable, printable
from zoo.registry import info
from zoo.terminal import progress_bar

SHOWN = 10
"""Classes, and unreadable files, named on the screen."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained, on what, and where it goes."""

    variant: str
    source: str
    """The data, as `training.data.data_set.open_splits` takes it."""
    recipe: Recipe
    recipe_name: str
    """The named recipe that it was before changes."""
    run: Path
    """Folder of checkpoint and log."""
    out: Path
    """The model directory."""
    hold_out: float = 0.0
    """Share of the training images to keep for measuring, and leave the test split alone; 0 for none."""
    limit: int | None = None
    """So many training images only, chosen at random of those that are not held out."""
    unreadable: Literal["stop", "skip"] = "stop"
    """What to do with unreadable image files."""
    workers: int | None = None
    """Processes that decode images which are not held in memory; None for one a core."""
    device: str = "auto"
    compiled: bool = False


def run_job(job: Job, say: Say) -> Package:
    """Train, write the model directory and measure its accuracy; a run that was stopped goes on where it was.

    The validation split is measured after each epoch; what it says goes into the log and the history. The test split is
    measured once, at the end; before, it is only decoded, to find what cannot be read. Where there is none, the
    validation split is measured at the end; where there is neither, or the job says so, images that are held out of the
    training split.

    Arguments:
        job: what to do.
        say: takes sentences for a person, in the first process alone.

    Raises:
        ZooError: of many kinds; see `open_splits`, `prepare`, `start_network` and `train`.
    """
    info(job.variant)
    if not encodable(str(job.run)):
        raise InputError(f"--run-folder {job.run}: its name is not UTF-8, which TensorBoard needs; choose another")
    if job.workers is not None and job.workers < 0:
        raise InputError(f"workers = {job.workers}: it must not be negative")
    fabric, why_device = join_processes(job.device, job.recipe.precision)
    tell: Say = say if fabric.is_global_zero else lambda sentence: None
    tell(f"computing on {fabric.device}: {why_device}")

    splits = open_splits(job.source)
    for note in splits.notes:
        tell(note)
    encoded, digest = splits.train, data_digest(splits.train)
    split, measured_on = ("test", splits.test) if splits.test else ("validation", splits.validation)
    held_out = job.hold_out or (0.0 if measured_on else HELD_OUT_SHARE)
    if held_out or measured_on is None:
        split = HELD_OUT
        encoded, measured_on = hold_out(encoded, held_out)
        tell(
            f"{len(measured_on):,} images are held out of the training split and measured at the end; "
            "zoo eval measures them again"
        )
    encoded = sample(encoded, job.limit)
    size, why_size = (job.recipe.input_size, "as asked") if job.recipe.input_size else choose_input_size(encoded)
    tell(f"input {size}x{size} pixels: {why_size}")
    memory = int(fabric.broadcast(_memory_for_images(fabric.device)))
    with progress_bar(fabric.is_global_zero) as progress:
        prepared = prepare(encoded, size, memory=memory, progress=_counter(progress, "decoding", encoded))
        counter = _counter(progress, f"decoding {split} images", measured_on)
        measured = prepare(measured_on, size, memory=memory, crops=False, progress=counter)
        validation = measured if split == "validation" else None
        if splits.validation and validation is None:
            counter = _counter(progress, "decoding validation images", splits.validation)
            validation = prepare(splits.validation, size, memory=memory, crops=False, progress=counter)
    images = prepared.images
    others = validation.unreadable if validation and validation is not measured else ()
    if unreadable := prepared.unreadable + measured.unreadable + others:
        _report_unreadable(unreadable, job, fabric.is_global_zero, tell)
    tell(f"{len(images.labels):,} training images: {prepared.why}")
    tell(_classes(images, job.recipe.balance))
    recipe = job.recipe.fitted(size, len(images.labels), fabric.world_size)
    if recipe.batch_size != job.recipe.batch_size:
        tell(f"a step takes {recipe.batch_size} images instead of {job.recipe.batch_size}: there are no more")

    data = data_set_name(job.source)
    start = start_network(job.variant, images, recipe)
    if held_out and start.trained_on == data and not _same_division(start.training, held_out, digest):
        remedy = "leave out --hold-out" if job.hold_out else "put images that it has not seen into a test split"
        raise InputError(
            f"start_from = {recipe.start_from!r} was trained on {data}, its held-out images among the others; start "
            f"from random weights, or {remedy}"
        )
    if fabric.is_global_zero:
        require_writable(job.out, f"into {job.out}", "choose another folder by --out")
    workers = max(1, cores() // processes_here()) if job.workers is None else job.workers
    feed = BatchStream(images, recipe, fabric.device, fabric.global_rank, fabric.world_size, workers)
    held = isinstance(images, LabelledImages)
    identity = {"variant": job.variant, "data": images.digest(), "held": held, "start": start.weights, **asdict(recipe)}
    validate = None
    if validation is not None:
        untrained = describe(job.variant, data, images.classes, start.normalization, recipe, start.network)
        validate = partial(_validate, validation.images, untrained, fabric)
    trained = train(fabric, start.network, feed, job.run, identity, compiled=job.compiled, validate=validate)

    config = describe(job.variant, data, images.classes, start.normalization, recipe, trained.network)
    evaluation = evaluate(TorchPredictor(trained.network, config), measured.images, fabric=fabric)
    package = Package(job.out, config)
    if fabric.is_global_zero:
        save_model(job.out, config, trained, images, recipe, job.recipe_name, held_out, job.limit, digest)
        record_evaluation(package, split, "torch", evaluation, config.weights_sha256)
    fabric.barrier()
    tell(f"{package.path}: {evaluation.accuracy:.2f}% of {evaluation.images:,} {split} images")
    return package


def _validate(
    images: LabelledImages | StreamedImages, config: ModelConfig, fabric: Fabric, network: Network
) -> dict[str, float]:
    """What an epoch's history says of the validation split: mean loss, and shares as of the training images."""
    measured = evaluate(TorchPredictor(network, config), images, fabric=fabric)
    return {
        "validation_loss": measured.loss,
        "validation_accuracy": measured.accuracy / 100,
        "validation_patch_accuracy": measured.patch_accuracy / 100,
    }


def _same_division(training: Training | None, held_out: float, digest: str) -> bool:
    """Whether a training held out the very images that are held out now."""
    return training is not None and (training.held_out, training.data_digest) == (held_out, digest)


def _memory_for_images(device: torch.device) -> int:
    """Bytes that a split's images may take: they lie in this machine's memory and, copied and scaled, on the device.

    Not of what is free now: a run that goes on later must choose as it did before.
    """
    here = total_memory() // (4 * processes_here())
    return min(here, torch.cuda.mem_get_info(device)[1] // 4) if device.type == "cuda" else here


def _counter(progress: Progress, title: str, encoded: EncodedImages) -> Callable[[int], None]:
    task = progress.add_task(title, total=len(encoded), status="")
    return lambda done: progress.update(task, completed=done)


def _classes(images: LabelledImages | StreamedImages, balanced: bool) -> str:
    """How many images each class has, and what an imbalance means."""
    ordered = sorted(((count, name) for name, count in class_counts(images).items()), reverse=True)
    if ordered[0][0] == ordered[-1][0]:
        return f"{len(ordered)} classes of {ordered[0][0]:,} images each"
    if len(ordered) <= SHOWN:
        sizes = ", ".join(f"{name} {count:,}" for count, name in ordered)
    else:
        (most, largest), (fewest, smallest) = ordered[0], ordered[-1]
        sizes = f"from {smallest} with {fewest:,} to {largest} with {most:,} images"
    ratio = ordered[0][0] / max(ordered[-1][0], 1)
    remedy = "; each class counts the same in the loss" if balanced else "; --balance lets each count the same"
    return f"{len(ordered)} classes: {sizes}" + (remedy if balanced or ratio >= 1.5 else "")


def _report_unreadable(problems: tuple[str, ...], job: Job, first: bool, tell: Say) -> None:
    """Write the list of files that cannot be read; stop, or say that they are left out.

    Raises:
        DataError: the job is to stop.
    """
    file = job.run / UNREADABLE_FILE
    if first:
        write_atomically(file, "".join(f"{printable(problem)}\n" for problem in problems).encode())
    shown = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
    listed = f"{shown}\n  (all of them: {file})"
    if job.unreadable == "stop":
        raise DataError(
            f"{len(problems)} files cannot be read; repair or remove them, or leave them out with --unreadable "
            f"skip:{listed}"
        )
    tell(f"{len(problems)} unreadable files are left out:{listed}")
