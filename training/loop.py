"""Training from the first step to the last, top to bottom.

Notable: the whole data set sits as uint8 on the device and is cropped and flipped there, a batch at a time; every
random choice is a function of the seed and the step alone, so that a resumed run ends with the same weights.
"""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from training.augment import crop_and_flip, resize
from training.checkpoint import load_checkpoint, save_checkpoint
from training.data import LabelledImages
from training.interrupt import stop_on_signal
from training.loss import semantic_loss
from training.memory import keep_freed_memory
from training.recipe import Recipe
from zoo.errors import InputError, ZooError
from zoo.models import create
from zoo.network import Network

CHECKPOINT_SECONDS = 60


class TrainingStoppedError(ZooError):
    """A signal asked the run to stop, and it was saved."""


class DivergedError(ZooError):
    """The loss is no number any more."""


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A trained network and what it took."""

    network: Network
    seconds: float
    """Of training, over all resumed parts."""
    history: list[dict[str, float]]
    """Mean loss, accuracy and patch accuracy on the augmented training images, an entry an epoch."""


def train(
    variant: str,
    data: LabelledImages,
    recipe: Recipe,
    run: Path,
    device: torch.device,
    *,
    stop_after: int | None = None,
) -> TrainedNetwork:
    """Train a variant, or go on where the run folder says it stopped.

    Arguments:
        variant: its name.
        data: the training split.
        recipe: how.
        run: folder of the checkpoint, `checkpoint.pt`.
        device: where to compute.
        stop_after: stop early after so many steps, as if killed there; for tests.

    Raises:
        TrainingStoppedError: Ctrl-C or SIGTERM came; everything up to then is saved.
        CheckpointError: the run folder belongs to another run.
        DivergedError: the loss of an epoch is not finite.
        InputError: there are fewer images than a batch takes.
    """
    steps_per_epoch = len(data.labels) // recipe.batch_size
    if not steps_per_epoch:
        raise InputError(f"batch_size = {recipe.batch_size} is above the number of images, {len(data.labels)}")
    if device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(recipe.seed)
    network = create(
        variant,
        num_classes=len(data.classes),
        assignment=recipe.assignment,
        normalization=data.normalization(),
    )
    network.to(device).to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(network, recipe)
    total_steps = recipe.epochs * steps_per_epoch
    checkpoint = run / "checkpoint.pt"
    identity = {"variant": variant, "data": data.digest(), **asdict(recipe)}

    step, seconds = 0, 0.0
    history: list[dict[str, float]] = []
    sums = EpochSums()
    if state := load_checkpoint(checkpoint, identity):
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds, history = state["step"], state["seconds"], state["history"]
        sums = EpochSums(**state["sums"])

    def save() -> None:
        state: dict[str, Any] = {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "identity": identity,
        }
        state |= {"step": step, "seconds": seconds, "history": history, "sums": sums.values()}
        save_checkpoint(checkpoint, state)

    labels = data.labels.to(device)
    images, order, ordered_epoch = torch.empty(0), torch.empty(0), -1
    started, saved = time.monotonic() - seconds, time.monotonic()
    with progress_bar() as progress, stop_on_signal() as stop:
        task = progress.add_task(variant, total=total_steps, completed=step, status="")
        while step < total_steps:
            epoch, batch = divmod(step, steps_per_epoch)
            size = recipe.input_size(epoch)
            if size != images.shape[-1]:
                images = resize(data.images, size).to(device)
            if epoch != ordered_epoch:
                order = torch.randperm(len(labels), generator=generator(recipe.seed, epoch)).to(device)
                ordered_epoch = epoch
            chosen = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
            padding = math.ceil(recipe.crop_padding * size / recipe.input_sizes[-1])
            pixels = crop_and_flip(images[chosen], padding, recipe.flip, generator(recipe.seed, recipe.epochs + step))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step / total_steps, recipe)

            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
                semantics = network.semantics(pixels)
            loss = semantic_loss(semantics, labels[chosen], recipe.patch_weight)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation for it
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            step += 1
            seconds = time.monotonic() - started
            sums.add(loss, semantics.logits, semantics.patch_logits, labels[chosen])
            if step % 10 == 0 or step == total_steps:
                progress.update(task, completed=step, status=f"epoch {epoch + 1}/{recipe.epochs}, {sums}")
            if batch + 1 == steps_per_epoch:
                history.append({"epoch": epoch + 1, "input_size": size, **sums.means()})
                if not math.isfinite(history[-1]["loss"]):
                    raise DivergedError(
                        f"the loss of epoch {epoch + 1} is not finite with peak_learning_rate = "
                        f"{recipe.peak_learning_rate}; delete {checkpoint} and train with a lower one"
                    )
                sums = EpochSums()
            if stop.received or step in (stop_after, total_steps) or time.monotonic() - saved > CHECKPOINT_SECONDS:
                save()
                saved = time.monotonic()
            if stop.received:
                raise TrainingStoppedError(
                    f"stopped after step {step} of {total_steps}, saved in {checkpoint}; the same command goes on there"
                )
            if step == stop_after:
                break
    return TrainedNetwork(network.eval(), seconds, history)


def learning_rate(progress: float, recipe: Recipe) -> float:
    """The one-cycle schedule at a share `progress` in 0..1 of all steps: linear up, then half a cosine down to 0."""
    if progress < recipe.warmup:
        return recipe.peak_learning_rate * max(progress / recipe.warmup, 1e-3)
    descent = (progress - recipe.warmup) / (1 - recipe.warmup)
    return recipe.peak_learning_rate * (1 + math.cos(math.pi * descent)) / 2


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD with Nesterov momentum; weight decay on matrices only."""
    matrices = [weight for weight in network.parameters() if weight.dim() > 1]
    vectors = [weight for weight in network.parameters() if weight.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        groups, lr=recipe.peak_learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
    )


def generator(seed: int, stream: int) -> torch.Generator:
    """Random numbers that depend on the seed and the number of a stream only."""
    return torch.Generator().manual_seed(seed * 1_000_003 + stream)


@dataclass(slots=True)
class EpochSums:
    """Running sums over the steps of an epoch, in 32-bit floating point; read only when shown."""

    steps: int = 0
    loss: float | Tensor = 0.0
    accuracy: float | Tensor = 0.0
    patch_accuracy: float | Tensor = 0.0

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, patch_logits: Tensor, labels: Tensor) -> None:
        self.steps += 1
        self.loss += loss.detach()
        self.accuracy += (logits.argmax(1) == labels).float().mean()
        self.patch_accuracy += (patch_logits.argmax(1) == labels[:, None, None]).float().mean()

    def values(self) -> dict[str, float]:
        """The sums as plain numbers, which fit any device."""
        return {name: float(value) for name, value in asdict(self).items()}

    def means(self) -> dict[str, float]:
        count = max(self.steps, 1)
        return {name: float(getattr(self, name)) / count for name in ("loss", "accuracy", "patch_accuracy")}

    def __str__(self) -> str:
        means = self.means()
        return f"loss {means['loss']:.3f}, accuracy {means['accuracy']:.1%}, patches {means['patch_accuracy']:.1%}"


def progress_bar() -> Progress:
    """A bar with the steps, the time and what the task says of itself."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
    )
