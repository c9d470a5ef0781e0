"""timm's train.py with our network, which is registered as a timm model.

The script normalises the images, so the network does not. It does not support the patch loss, and trains on the class
logits alone, which is less work than for the other trainers.
"""

import json
import logging
import math
import re
import runpy
import sys
import tempfile
from typing import Any

from task import Task
from timm.models import register_model
from torch import nn

from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.networks.load import create

MODEL = "template_zoo_network"
LOG_LINE = re.compile(r"Train: 0 \[\s*(\d+)/.*?Time: [\d.]+s,\s*[\d.]+/s\s+\([\d.]+s,\s*([\d.]+)/s\)")


def register(task: Task) -> None:
    """Register the variant with timm as `MODEL`."""

    def template_zoo_network(pretrained: bool = False, num_classes: int = 10, **others: Any) -> nn.Module:
        network = create(task.variant, num_classes=num_classes)
        network.normalize = nn.Identity()  # type: ignore[assignment]
        return network

    register_model(template_zoo_network)


def arguments(task: Task, classes: int, output: str) -> list[str]:
    """Command line of the script: SGD with Nesterov momentum, channels-last, only crops and flips."""
    size, (mean, std) = str(task.size), (CIFAR10_NORMALIZATION.mean, CIFAR10_NORMALIZATION.std)
    line = ["--data-dir", task.folder, "--train-split", "train", "--val-split", "", "--output", output]
    line += ["--model", MODEL, "--num-classes", str(classes), "--input-size", "3", size, size]
    line += ["--mean", *map(str, mean), "--std", *map(str, std), "--train-interpolation", "bilinear"]
    line += ["--color-jitter", "0", "--color-jitter-prob", "0", "--smoothing", "0"]
    line += ["--opt", "sgd", "--lr", "0.15", "--momentum", "0.9", "--weight-decay", "5e-4"]
    line += ["--epochs", "1", "--warmup-epochs", "0", "--batch-size", str(task.batch_size)]
    line += ["--channels-last", "--device", task.device]
    if task.precision == "bf16":
        line += ["--amp", "--amp-dtype", "bfloat16"]
    line += ["--workers", str(task.workers), "--log-interval", str(_log_interval(task))]
    return line + (["--pin-mem"] if task.device.startswith("cuda") else [])


class Log(logging.Handler):
    """Handler that collects the script's log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def images_per_second(log: str, task: Task) -> float:
    """Speed of the script over the timed steps, from the running means in its log.

    A log line has the mean over all updates so far, so the time between two lines can be derived.

    Raises:
        RuntimeError: the log lacks the first or the last line.
    """
    means = {int(update): float(speed) for update, speed in LOG_LINE.findall(log)}
    ends = []
    for update in (task.warmup, task.last_step):
        if update not in means:
            raise RuntimeError(f"timm's script logged no speed after update {update}:\n{log}")
        ends.append((update + 1) * task.batch_size / means[update])
    return task.steps * task.batch_size / (ends[1] - ends[0])


def _log_interval(task: Task) -> int:
    """Log interval, as long as the two required lines allow, since logging costs time."""
    return math.gcd(task.warmup, task.steps)


def main(task: Task, script: str) -> None:
    register(task)
    log = Log()
    logging.getLogger("train").addHandler(log)
    with tempfile.TemporaryDirectory() as output:
        sys.argv = [script, *arguments(task, len(task.images().classes), output)]
        runpy.run_path(script, run_name="__main__")
    print(json.dumps({"images_per_second": images_per_second("\n".join(log.lines), task)}), flush=True)


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]), sys.argv[2])
