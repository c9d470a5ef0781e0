"""The training loop, to be read top to bottom.

The same code runs in one process, on several GPUs and on several machines, through Lightning Fabric. Every random
choice is a function of only the seed and the step (`training.feed`), so that a resumed run ends with the same weights:
bit for bit on a CPU, and up to the rounding of sums in varying order on a GPU.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training.average import MovingAverage
from training.captured_step import Capture, CapturedStep, cuda_graph
from training.checkpoint import CHECKPOINT_FILE, CheckpointError, load_checkpoint, save_checkpoint
from training.device import choose_precision
from training.distillation.teacher import Teacher
from training.feed import Batch, BatchStream
from training.interrupt import stop_on_signal
from training.log import Log
from training.loss import balanced_weights, semantic_loss
from training.norms import share_batch_norms
from training.pace import Pace
from training.patch_loss import make_patch_loss
from training.processes import largest_in_any
from training.recipe import Recipe
from zoo.errors import InputError, ZooError
from zoo.machine import keep_freed_memory
from zoo.networks.blocks import SemanticBlock
from zoo.networks.network import Network, Semantics
from zoo.progress import duration
from zoo.progress import rate as speed_text
from zoo.terminal import progress_bar

CHECKPOINT_SECONDS = 60
STOPPING = "stopping: saving after this step; press Ctrl-C again to stop immediately, at the last checkpoint"
LOG_STEPS = 50
"""Steps between entries of the log."""
SHOW_SECONDS = 1.0
"""Seconds between progress updates; each one synchronises with the GPU."""
SYNC_STEPS = 10
"""Steps between agreements of the processes on GPUs whether to stop or save; each one synchronises the GPUs."""
MAX_BENCHMARKED = 64
"""Largest number of convolutions for which cuDNN measures its algorithms; for a DenseNet's 130, in three directions at
each image size, it takes longer than a short run gains."""


class TrainingStoppedError(ZooError):
    """A signal requested a stop, and the run was saved."""


class DivergedError(ZooError):
    """The loss is not finite any more."""


Validate = Callable[[Network], Mapping[str, float]]
"""Function from the network in evaluation mode to its metrics by name."""


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A trained network, with the time and history of its training."""

    network: Network
    seconds: float
    """Training time over all resumed parts."""
    history: list[dict[str, float]]
    """Mean loss, accuracy and patch accuracy on the augmented training images, one entry per epoch, with the metrics
    from `validate`; the accuracy counts only images with their own assignment."""


def train(
    fabric: Fabric,
    network: Network,
    feed: BatchStream,
    run: Path,
    identity: dict[str, Any],
    *,
    compiled: bool = False,
    validate: Validate | None = None,
    stop_after: int | None = None,
    capture: Capture | None = None,
    teacher: Teacher | None = None,
) -> TrainedNetwork:
    """Train a network, resuming from the checkpoint in the run folder if there is one.

    Arguments:
        fabric: processes that train together.
        network: network with its initial weights, the same in every process.
        feed: batches, with the recipe.
        run: folder for checkpoint and log.
        identity: plain values that identify the run; a checkpoint of another run is refused.
        compiled: whether to compile the network with `torch.compile`.
        validate: measures the network after each epoch, in every process.
        stop_after: number of steps after which to stop as if killed, for tests and measurements.
        capture: how steps are captured, for tests; None for a CUDA graph in a process alone on a GPU, else for not.
        teacher: network whose class probabilities this one learns beside the labels; None for labels only.

    Raises:
        TrainingStoppedError: stopped by Ctrl-C or SIGTERM; the state is saved.
        CheckpointError: the run folder belongs to another run.
        DivergedError: the loss of an epoch is not finite.
        InputError: there are fewer images than in a batch.
    """
    recipe, device, alone = feed.recipe, fabric.device, fabric.world_size == 1
    precision, _ = choose_precision(recipe.precision, device)
    if not feed.steps:
        raise InputError(f"batch_size = {recipe.batch_size} is above the number of images, {len(feed.images.labels)}")
    if device.type == "cpu":
        keep_freed_memory()
    network.to(device).to(memory_format=torch.channels_last).train()
    if device.type == "cuda":
        convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
        torch.backends.cudnn.benchmark = convolutions <= MAX_BENCHMARKED
    if not alone:
        share_batch_norms(network, device)
    optimizer = make_optimizer(network, recipe)
    average = MovingAverage(network, recipe.ema_decay) if recipe.ema_decay else None
    class_weights = None
    if recipe.balance:
        class_weights = balanced_weights(feed.images.labels, len(feed.images.classes)).to(device)

    patch_loss = make_patch_loss(recipe)
    has_block = isinstance(network.block, SemanticBlock)

    step, seconds, sums = 0, 0.0, EpochSums.zero(device)
    history: list[dict[str, float]] = []
    checkpoint = run / CHECKPOINT_FILE
    if state := _load_on_the_first(fabric, checkpoint, identity):
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.network.load_state_dict(state["average"])
        step, seconds, history = state["step"], state["seconds"], state["history"]
        sums.values.copy_(torch.tensor(state["sums"]))

    def save() -> None:
        means = sums.over_processes(fabric)  # a collective operation, in every process
        if fabric.is_global_zero:
            state: dict[str, Any] = {"identity": identity, "network": network.state_dict()}
            state["optimizer"] = optimizer.state_dict()
            state["average"] = None if average is None else average.network.state_dict()
            state |= {"step": step, "seconds": seconds, "history": history, "sums": means.values.tolist()}
            save_checkpoint(checkpoint, state)
        fabric.barrier()  # none exits before the state is saved, or the launcher would end the others

    answer: Any = torch.compile(_Answer(network), dynamic=False) if compiled else _Answer(network)
    module = answer if alone else fabric.setup_module(answer)
    # What changes from step to step is in tensors, so that a captured step sees it.
    rate, patch_weight = torch.zeros((), device=device), torch.zeros((), device=device)
    for group in optimizer.param_groups:
        group["lr"] = rate

    def update(batch: Batch) -> None:
        """One step, which a CUDA graph captures: nothing in it is read back from the device."""
        with torch.autocast(device.type, torch.bfloat16, precision == "bf16", cache_enabled=False):
            semantics = module(batch.pixels, batch.source if has_block else None)
            taught = None if teacher is None else teacher.targets(batch, recipe, interchanged=has_block)
        loss = semantic_loss(
            semantics,
            batch.targets,
            patch_weight,
            recipe.label_smoothing,
            class_weights,
            batch.interchanged(recipe.interchanged_label) if has_block else None,
            batch.patch_targets,
            patch_loss,
            taught,
        )
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if average is not None:
            average.update()
        sums.add(loss, semantics, batch)

    trained = network if average is None else average.network
    if capture is None and alone and device.type == "cuda":
        capture = cuda_graph
    started, saved, first = time.monotonic() - seconds, time.monotonic(), step
    with (
        Log(run if fabric.is_global_zero else None, step) as log,
        progress_bar(fabric.is_global_zero) as progress,
        stop_on_signal(STOPPING if fabric.is_global_zero else "") as stop,
        closing(feed.batches(step)) as batches,
    ):
        task = progress.add_task(identity["variant"], total=feed.steps, completed=step, status="", left=None)
        if 0 < step < feed.steps:
            progress.console.print(f"resuming after step {step:,} of {feed.steps:,}")
        pace, estimated = Pace(recipe, feed.steps_per_epoch), False
        take_step: Callable[[Batch], None] = update
        if capture is not None:
            tensors = [*network.state_dict(keep_vars=True).values(), *_tensors(optimizer), sums.values]
            if average is not None:
                tensors += average.network.state_dict().values()
            take_step = CapturedStep(update, tensors, capture, progress.console.print)
        resumed = shown = time.monotonic()
        for batch in batches:
            progressed = step / feed.steps
            rate.fill_(learning_rate(progressed, recipe))
            patch_weight.fill_(recipe.patch_weight_at(progressed))
            take_step(batch)
            if average is not None and step == 0:
                average.restart()  # not a mixture with the initial weights
            step += 1
            seconds = time.monotonic() - started
            epoch, in_epoch = divmod(step, feed.steps_per_epoch)
            now = time.monotonic()
            speed = (step - first) * recipe.batch_size / (now - resumed)
            stop_now, save_now = stop.received, now - saved > CHECKPOINT_SECONDS
            if not alone:  # all processes act on the request of any, at the same step
                talk = device.type == "cpu" or step % SYNC_STEPS == 0
                stop_now = talk and bool(largest_in_any(fabric, stop_now))
                save_now = talk and bool(largest_in_any(fabric, save_now))
            progress.update(task, completed=step)
            if fabric.is_global_zero and now - shown > SHOW_SECONDS:
                status = f"epoch {min(epoch + 1, recipe.epochs)}/{recipe.epochs}, {sums}, {speed_text(speed)} images/s"
                pace.observe(step, time.monotonic())  # `sums` were read, so the steps are complete
                left = pace.left(step)
                progress.update(task, status=status, left=left)
                if left is not None and not estimated and step < feed.steps:
                    estimated = True
                    rest = f"{feed.steps - step:,} of {feed.steps:,} steps"
                    progress.console.print(f"about {duration(left)} for the remaining {rest}")
                shown = now
            if in_epoch == 0 or step % LOG_STEPS == 0:
                everywhere = sums.over_processes(fabric)
                means = everywhere.means()
                validated: Mapping[str, float] = {}
                if in_epoch == 0 and validate is not None:
                    progress.update(task, status="validation")
                    validated = validate(trained.eval())
                    network.train()
                    progress.update(task, status="")
                    validation_seconds = time.monotonic() - now
                    pace.validated(validation_seconds)
                    resumed += validation_seconds  # the speed is that of training alone
                entry = {"epoch": step / feed.steps_per_epoch, **means, **validated, "learning_rate": float(rate)}
                log.write(step, **entry, images_per_second=speed)
            if in_epoch == 0:
                history.append({"epoch": epoch, "input_size": batch.pixels.shape[-1], **means, **validated})
                shares = [value for name, value in validated.items() if name == "validation_accuracy"]
                line = ", ".join([str(everywhere), *(f"validation {share:.1%}" for share in shares)])
                line = f"epoch {epoch} of {recipe.epochs}: {line}, {speed_text(speed)} images/s"
                left = pace.left(step)
                end = "" if left is None or step == feed.steps else f", about {duration(left)} left"
                progress.console.print(line + end, soft_wrap=True)
                if not math.isfinite(means["loss"]):
                    raise DivergedError(
                        f"the loss of epoch {epoch} is not finite with peak_learning_rate = "
                        f"{recipe.peak_learning_rate}; train with a lower one and --restart"
                    )
                sums.values.zero_()
            if stop_now or save_now or step in (stop_after, feed.steps):
                save()
                saved = time.monotonic()
            if stop_now:
                raise TrainingStoppedError(
                    f"stopped after step {step} of {feed.steps}, saved in {checkpoint}; run the same command to resume"
                )
            if step == stop_after:
                break
    return TrainedNetwork(trained.eval(), seconds, history)


def _load_on_the_first(fabric: Fabric, checkpoint: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Checkpoint as read by the first process, broadcast to all: the others' machines may not have it."""
    found: dict[str, Any] | CheckpointError | None = None
    if fabric.is_global_zero:
        try:
            found = load_checkpoint(checkpoint, identity)
        except CheckpointError as error:
            found = error
    found = fabric.broadcast(found)
    if isinstance(found, CheckpointError):
        raise found
    return found


def learning_rate(progress: float, recipe: Recipe) -> float:
    """One-cycle schedule at `progress` in 0..1, the share of steps done: a linear rise, then half a cosine to 0."""
    if progress < recipe.warmup:
        return recipe.peak_learning_rate * max(progress / recipe.warmup, 1e-3)
    descent = (progress - recipe.warmup) / (1 - recipe.warmup)
    return recipe.peak_learning_rate * (1 + math.cos(math.pi * descent)) / 2


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD with Nesterov momentum, and weight decay on matrices only; not on those of the pooling, where patches and
    prototypes of length 0 would all be alike.
    """
    weights = dict(network.named_parameters())
    decaying = {name for name, weight in weights.items() if weight.dim() > 1 and not name.startswith("pooling.")}
    matrices = [weight for name, weight in weights.items() if name in decaying]
    vectors = [weight for name, weight in weights.items() if name not in decaying]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(
        groups, lr=recipe.peak_learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
    )
    if recipe.momentum:  # made here, so that the first step is like all others
        for weight in matrices + vectors:
            optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimizer


def _tensors(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The optimizer's state."""
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]


class _Answer(nn.Module):
    """Module that returns the logits of images and patches, to be compiled and distributed among processes."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor, source: Tensor | None) -> Semantics:
        return self.network.semantics(pixels, source=source)


@dataclass(frozen=True, slots=True)
class EpochSums:
    """Running sums over the steps of an epoch, on the device; read only when they are shown."""

    values: Tensor
    """[4]: steps, and the sums of loss, accuracy and patch accuracy."""

    @staticmethod
    def zero(device: torch.device) -> "EpochSums":
        return EpochSums(torch.zeros(4, device=device))

    @torch.no_grad()
    def add(self, loss: Tensor, semantics: Semantics, batch: Batch) -> None:
        own = batch.source == torch.arange(len(batch.source), device=batch.source.device)
        right = own & (semantics.logits.argmax(1) == batch.labels)
        accuracy = right.sum() / own.sum().clamp(min=1)
        right_patches = semantics.patch_logits.argmax(1) == batch.labels[:, None, None]
        one = torch.ones((), device=loss.device)
        self.values.add_(torch.stack([one, loss.detach(), accuracy, right_patches.float().mean()]))

    def over_processes(self, fabric: Fabric) -> "EpochSums":
        """Mean of all processes' sums; must be called in every process."""
        if fabric.world_size == 1:
            return self
        reduced = fabric.all_reduce(self.values.clone(), reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return EpochSums(reduced)

    def means(self) -> dict[str, float]:
        steps, *sums = self.values.tolist()
        return dict(zip(("loss", "accuracy", "patch_accuracy"), (value / max(steps, 1) for value in sums), strict=True))

    def __str__(self) -> str:
        means = self.means()
        return f"loss {means['loss']:.3f}, accuracy {means['accuracy']:.1%}, patches {means['patch_accuracy']:.1%}"
