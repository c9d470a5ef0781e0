"""A training job, from the name of a data set to a model directory and its accuracy."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from lightning_fabric import Fabric

from training.checkpoint import CHECKPOINT_FILE, REPORT_FOLDER, UNREADABLE_FILE, require_own_checkpoint
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
from training.data.prepare import Prepared, choose_input_size, prepare
from training.data.stream import StreamedImages
from training.device import choose_precision
from training.distillation.teacher import Teacher, open_teacher
from training.evaluate import ask, evaluate
from training.feed import BatchStream
from training.loop import train
from training.model import describe, open_start, record_evaluation, save_model, start_network
from training.processes import join_processes, processes_here
from training.prototypes import start_prototypes
from training.recipe import Recipe
from training.report import write_report
from training.report.measured import Measured
from zoo.errors import DataError, InputError
from zoo.files import require_writable, write_atomically, writing
from zoo.images.labelled_files import MIN_CLASSES
from zoo.machine import cores, total_memory
from zoo.networks.network import Network
from zoo.package import ModelConfig, Package
from zoo.package.metrics import HELD_OUT_SHARE, own_metrics
from zoo.predictors.torch import TorchPredictor
from zoo.printable import encodable, printable
from zoo.registry import info
from zoo.terminal import progress_bar

SHOWN = 10
"""Maximum number of classes, and of unreadable files, that are printed."""

VALIDATED_SHARE = 0.1
VALIDATED_LEAST = 1_000
"""Maximum number of images measured after each epoch: this share of the number of training images, or this number if it
is larger."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """Description of a training job: variant, data, recipe and output."""

    variant: str
    source: str
    """Data set, as for `training.data.data_set.open_splits`."""
    recipe: Recipe
    recipe_name: str
    """Name of the recipe before changes."""
    run: Path
    """Directory for checkpoint and log."""
    out: Path
    """Model directory to write."""
    hold_out: float = 0.0
    """Share of the training images to hold out and measure on instead of the test split; 0 for none."""
    limit: int | None = None
    """Limit on the number of training images, chosen at random from those not held out; None for all."""
    unreadable: Literal["stop", "skip"] = "stop"
    """What to do with unreadable image files."""
    workers: int | None = None
    """Number of worker processes for decoding images that are not held in memory; None for one per core."""
    device: str = "auto"
    compiled: bool = False
    restart: bool = False
    """Whether to delete the run's checkpoint, and start again."""


def run_job(job: Job, say: Say) -> Package:
    """Train, write the model directory, and measure and report its accuracy; an interrupted run resumes.

    The validation split, or else the images held out of the training split, are measured after each epoch, for the log
    and the history; of many images a sample, a tenth as many as there are training images. The test split is measured
    once, at the end; before, it is only decoded, to find unreadable files. Without a test split, the validation split
    is measured at the end; with neither, or on request, images held out of the training split.

    Arguments:
        job: the job.
        say: called with messages for the user, only in the first process.

    Raises:
        ZooError: see `Variant.check_templates`, `open_splits`, `prepare`, `open_start` and `train`.
    """
    info(job.variant).check_templates(job.recipe.templates)
    if not encodable(str(job.run)):
        raise InputError(f"--run-folder {job.run}: the name is not UTF-8, which TensorBoard requires; choose another")
    if job.workers is not None and job.workers < 0:
        raise InputError(f"workers = {job.workers}: must not be negative")
    fabric, why_device = join_processes(job.device)
    tell: Say = say if fabric.is_global_zero else lambda sentence: None
    tell(f"computing on {fabric.device}: {why_device}")
    precision, why_precision = choose_precision(job.recipe.precision, fabric.device)
    tell(f"precision {precision}: {why_precision}")

    divided = _divide(job, tell)
    size, why_size = (
        (job.recipe.input_size, "as requested") if job.recipe.input_size else choose_input_size(divided.train)
    )
    tell(f"input {size}x{size} pixels: {why_size}; a step costs {(size / 32) ** 2:.3g} times that at 32x32")
    _check(job, divided, size, fabric, tell)
    memory = int(fabric.broadcast(_memory_for_images(fabric.device)))
    with progress_bar(fabric.is_global_zero) as progress:

        def decode(encoded: EncodedImages, title: str, crops: bool = False) -> Prepared:
            task = progress.add_task(title, total=len(encoded), status="")
            return prepare(
                encoded, size, memory=memory, crops=crops, progress=lambda done: progress.update(task, completed=done)
            )

        prepared = decode(divided.train, "decoding", crops=True)
        measured = decode(divided.measured, f"decoding {divided.split} images")
        validation = measured if divided.validation is divided.measured else None
        if divided.validation is not None and validation is None:
            validation = decode(divided.validation, "decoding validation images")
    images = prepared.images
    others = validation.unreadable if validation and validation is not measured else ()
    if unreadable := prepared.unreadable + measured.unreadable + others:
        _report_unreadable(unreadable, job, fabric.is_global_zero, tell)
    tell(f"{len(images.labels):,} training images: {prepared.why}")
    tell(_classes(images, job.recipe.balance))
    recipe = job.recipe.fitted(size, len(images.labels), fabric.world_size)
    if recipe.batch_size != job.recipe.batch_size:
        tell(
            f"batch size reduced from {job.recipe.batch_size} to {recipe.batch_size}, to fit the number of training "
            "images"
        )

    data = data_set_name(job.source)
    taught_by = open_teacher(job.recipe, images.classes, job.out)
    start = start_network(job.variant, images, recipe)
    workers = max(1, cores() // processes_here()) if job.workers is None else job.workers
    feed = BatchStream(images, recipe, fabric.device, fabric.global_rank, fabric.world_size, workers)
    if start.new_prototypes:
        start_prototypes(start.network, feed, fabric)
    teacher = None
    if taught_by is not None:
        teacher = Teacher.load(taught_by, images.classes, fabric.device)
        feed = teacher.teach(feed, tell, fabric.is_global_zero)
    held = isinstance(images, LabelledImages)
    identity = {
        "variant": job.variant,
        "data": images.digest(),
        "held": held,
        "start": start.weights,
        "teacher_weights": taught_by.config.weights_sha256 if taught_by else "",
        **asdict(recipe),
    }
    validate = None
    if validation is not None:
        untrained = describe(job.variant, data, images.classes, start.normalization, recipe, start.network)
        validate = partial(_validate, validation.images, untrained, fabric)
    if job.restart and fabric.is_global_zero:
        with writing(job.run / CHECKPOINT_FILE):
            (job.run / CHECKPOINT_FILE).unlink(missing_ok=True)
    trained = train(
        fabric,
        start.network,
        feed,
        job.run,
        identity,
        compiled=job.compiled,
        validate=validate,
        teacher=teacher,
    )

    config = describe(job.variant, data, images.classes, start.normalization, recipe, trained.network)
    predict = TorchPredictor(trained.network, config)
    answers = ask(predict, measured.images, fabric=fabric)
    evaluation = answers.evaluate(images.classes)
    package = Package(job.out, config)
    if fabric.is_global_zero:
        save_model(
            job.out,
            config,
            trained,
            images,
            recipe,
            job.recipe_name,
            held_out=divided.held_out,
            limit=job.limit,
            data_digest=divided.digest,
            teacher=taught_by.config if taught_by else None,
        )
        record_evaluation(package, divided.split, "torch", evaluation, config.weights_sha256)
        tell(f"{package.path}: {evaluation.accuracy:.2f}% of {evaluation.images:,} {divided.split} images")
        found = Measured(config.name, divided.split, measured.images, predict, answers, trained.history)
        for sentence in found.summary():
            tell(sentence)
        write_report(job.run / REPORT_FOLDER, found, tell)
    fabric.barrier()
    return package


class _Division(NamedTuple):
    """Images of a data set by their use."""

    train: EncodedImages
    measured: EncodedImages
    """Images to measure at the end."""
    split: str
    """Their split."""
    validation: EncodedImages | None
    """Images to measure after each epoch, which may be those that are measured at the end."""
    held_out: float
    """Share of the training split that is held out."""
    digest: str
    """Digest of the training split; see `data_digest`."""


def _divide(job: Job, tell: Say) -> _Division:
    """Open the data set, without decoding any image, and choose the images to train on and to measure on."""
    splits = open_splits(job.source)
    for note in splits.notes:
        tell(note)
    encoded, digest = splits.train, data_digest(splits.train)
    split, measured = ("test", splits.test) if splits.test else ("validation", splits.validation)
    validation = splits.validation
    held_out = job.hold_out or (0.0 if measured else HELD_OUT_SHARE)
    if held_out or measured is None:
        split = HELD_OUT
        encoded, measured = hold_out(encoded, held_out)
        validation = validation or measured
        tell(
            f"{len(measured):,} images are held out of the training split and measured at the end; measure them "
            "again with zoo eval --split held-out"
        )
    train = sample(encoded, job.limit)
    most = max(int(VALIDATED_SHARE * len(train)), VALIDATED_LEAST)
    if validation is not None and len(validation) > most:
        validation = sample(validation, most)  # as many as the training images would take as long as training
    return _Division(train, measured, split, validation, held_out, digest)


def _check(job: Job, divided: _Division, size: int, fabric: Fabric, tell: Say) -> None:
    """Check everything that can be checked before the images are decoded.

    Raises:
        DataError: there are too few classes.
        InputError: the batch cannot be divided among the processes, the start weights have seen the held-out images,
            the teacher has other classes, or a folder cannot be written.
        PackageError: the model to start from or the teacher does not exist or is damaged.
        CheckpointError: the run folder belongs to another run.
    """
    if (present := sum(count > 0 for count in class_counts(divided.train).values())) < MIN_CLASSES:
        raise DataError(
            f"{job.source}: {present} of {len(divided.train.classes)} classes have training images; at least "
            f"{MIN_CLASSES} must"
        )
    job.recipe.fitted(size, len(divided.train), fabric.world_size)
    start = open_start(job.variant, job.recipe)
    if start and _saw_held_out(start, job, divided):
        remedy = "leave out --hold-out" if job.hold_out else "add a test split of images that it has not seen"
        raise InputError(
            f"start_from = {job.recipe.start_from!r} was trained on {start.config.data}, including the images to be "
            f"held out; start from random weights, or {remedy}"
        )
    teacher = open_teacher(job.recipe, divided.train.classes, job.out)
    if teacher and _saw_held_out(teacher, job, divided):
        tell(
            f"the teacher {teacher.config.name} was trained on the images that are held out, so their accuracy may be "
            "too high"
        )
    if not fabric.is_global_zero:
        return
    if not job.restart:
        settings = {
            "variant": job.variant,
            "start": start.config.weights_sha256 if start else "",
            "teacher_weights": teacher.config.weights_sha256 if teacher else "",
            "input_size": size,
        }
        # Not the batch size, which unreadable images may reduce.
        recipe = {name: value for name, value in asdict(job.recipe).items() if name not in ("batch_size", "input_size")}
        require_own_checkpoint(job.run / CHECKPOINT_FILE, settings | recipe)
    require_writable(job.run, f"into {job.run}", "choose another folder with --run-folder")
    require_writable(job.out, f"into {job.out}", "choose another folder with --out")


def _saw_held_out(package: Package, job: Job, divided: _Division) -> bool:
    """Whether a model was trained on the images that are held out: one that held out the same images was not."""
    if not divided.held_out or package.config.data != data_set_name(job.source):
        return False
    training = own_metrics(package).training
    return training is None or (training.held_out, training.data_digest) != (divided.held_out, divided.digest)


def _validate(
    images: LabelledImages | StreamedImages, config: ModelConfig, fabric: Fabric, network: Network
) -> dict[str, float]:
    """Metrics of the validation images for the history: mean loss, and accuracies as shares."""
    measured = evaluate(TorchPredictor(network, config), images, fabric=fabric)
    return {
        "validation_loss": measured.loss,
        "validation_accuracy": measured.accuracy / 100,
        "validation_patch_accuracy": measured.patch_accuracy / 100,
    }


def _memory_for_images(device: torch.device) -> int:
    """Bytes that a split's images may take, both in this machine's memory and, copied and scaled, on the device.

    Derived from total, not free memory, since a resumed run must make the same choices as before.
    """
    here = total_memory() // (4 * processes_here())
    return min(here, torch.cuda.mem_get_info(device)[1] // 4) if device.type == "cuda" else here


def _classes(images: LabelledImages | StreamedImages, balanced: bool) -> str:
    """Number of images per class, with a remark on imbalance."""
    ordered = sorted(((count, name) for name, count in class_counts(images).items()), reverse=True)
    if ordered[0][0] == ordered[-1][0]:
        return f"{len(ordered)} classes of {ordered[0][0]:,} images each"
    if len(ordered) <= SHOWN:
        sizes = ", ".join(f"{name} {count:,}" for count, name in ordered)
    else:
        (most, largest), (fewest, smallest) = ordered[0], ordered[-1]
        sizes = f"from {smallest} with {fewest:,} to {largest} with {most:,} images"
    ratio = ordered[0][0] / max(ordered[-1][0], 1)
    remedy = "; all classes have equal weight in the loss" if balanced else "; --balance gives all equal weight"
    return f"{len(ordered)} classes: {sizes}" + (remedy if balanced or ratio >= 1.5 else "")


def _report_unreadable(problems: tuple[str, ...], job: Job, first: bool, tell: Say) -> None:
    """Write the list of unreadable files; fail, or report that they are skipped.

    Raises:
        DataError: the job does not skip them.
    """
    file = job.run / UNREADABLE_FILE
    if first:
        write_atomically(file, "".join(f"{printable(problem)}\n" for problem in problems).encode())
    shown = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
    listed = f"{shown}\n  (full list: {file})"
    if job.unreadable == "stop":
        raise DataError(
            f"{len(problems)} file{'' if len(problems) == 1 else 's'} cannot be read; repair or remove them, or skip "
            f"them with --unreadable skip:{listed}"
        )
    tell(f"skipping {len(problems)} unreadable files:{listed}")
