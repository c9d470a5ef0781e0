"""What each trainer of training_speed.py is asked to do, and a clock for those that call Python after a step."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Images(NamedTuple):
    """The images that all trainers see."""

    pixels: Tensor
    """[N, 3, S, S], uint8."""
    labels: Tensor
    """[N], int64."""
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Training steps to be timed."""

    variant: str
    folder: str
    """Of the images, as `write_images` leaves them."""
    device: str
    size: int
    """Side of the images in pixels."""
    batch_size: int
    warmup: int
    """Steps before the timed ones."""
    steps: int
    """Timed steps."""
    workers: int
    """Of the trainer's data loader, if it has one."""
    compiled: bool
    """Whether ours compiles the network."""

    @property
    def last_step(self) -> int:
        """The step, counted from 1, at whose end the clock stops."""
        return self.warmup + self.steps

    def images(self) -> Images:
        """The images as tensors."""
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
    """Time from the end of the last warm-up step to the end of the last timed one.

    Between the two it lets the device run ahead, as it does without a clock.
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
            RuntimeError: not all steps were seen.
        """
        if len(self.ends) != 2:
            raise RuntimeError(f"the clock saw {self.steps} steps and needs {self.task.last_step}")
        speed = self.task.steps * self.task.batch_size / (self.ends[1] - self.ends[0])
        print(json.dumps({"images_per_second": speed}), flush=True)
