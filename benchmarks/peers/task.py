"""Task of each trainer of training_speed.py, and a clock for those that call Python after each step."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.device import choose_precision
from training.recipe import TrainingPrecision


class Images(NamedTuple):
    """Images for all trainers."""

    pixels: Tensor
    """[N, 3, S, S], uint8."""
    labels: Tensor
    """[N], int64."""
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Training steps to time."""

    variant: str
    folder: str
    """Folder of the images, from `write_images`."""
    device: str
    size: int
    """Side of the images in pixels."""
    batch_size: int
    warmup: int
    """Warm-up steps."""
    steps: int
    """Number of timed steps."""
    workers: int
    """Number of data-loader workers, if the trainer has any."""
    compiled: bool
    """Whether our trainer compiles the network."""

    @property
    def precision(self) -> TrainingPrecision:
        """Precision of `zoo train` on the device, in which all trainers compute."""
        return choose_precision("auto", torch.device(self.device))[0]

    @property
    def last_step(self) -> int:
        """Step (from 1) at whose end the clock stops."""
        return self.warmup + self.steps

    def images(self) -> Images:
        """Load the images as tensors."""
        with np.load(Path(self.folder) / "images.npz") as arrays:
            pixels, labels = torch.from_numpy(arrays["pixels"]), torch.from_numpy(arrays["labels"])
            return Images(pixels, labels, tuple(arrays["classes"].tolist()))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Task":
        return Task(**json.loads(text))


@dataclass(slots=True)
class Clock:
    """Clock from the end of the last warm-up step to the end of the last timed step.

    In between, the device runs asynchronously, as without a clock.
    """

    task: Task
    steps: int = 0
    ends: list[float] = field(default_factory=list)

    def step(self) -> None:
        """Called at the end of each step."""
        self.steps += 1
        if self.steps in (self.task.warmup, self.task.last_step):
            if self.task.device.startswith("cuda"):
                torch.cuda.synchronize()
            self.ends.append(time.perf_counter())

    def report(self) -> None:
        """Print the images per second, for benchmarks/training_speed.py.

        Raises:
            RuntimeError: steps are missing.
        """
        if len(self.ends) != 2:
            raise RuntimeError(f"the clock counted {self.steps} steps, expected {self.task.last_step}")
        speed = self.task.steps * self.task.batch_size / (self.ends[1] - self.ends[0])
        print(json.dumps({"images_per_second": speed}), flush=True)
