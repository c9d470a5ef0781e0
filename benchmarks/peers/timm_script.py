"""timm's own train.py with our network: registers it as a timm model, and runs the script as its users do.

The script normalises the images, so the network does not. It has no place for the loss of the patches: it trains on the
class logits alone, which is that much less work than the other trainers have.
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
    """Make the variant known to timm as `MODEL`."""

    def template_zoo_network(pretrained: bool = False, num_classes: int = 10, **others: Any) -> nn.Module:
        network = create(task.variant, num_classes=num_classes)
        network.normalize = nn.Identity()  # type: ignore[assignment]
        return network

    register_model(template_zoo_network)


def arguments(task: Task, classes: int, output: str) -> list[str]:
    """The script's command line: SGD with Nesterov's momentum, bf16, channels-last, crop and flip and nothing else."""
    size, (mean, std) = str(task.size), (CIFAR10_NORMALIZATION.mean, CIFAR10_NORMALIZATION.std)
    line = ["--data-dir", task.folder, "--train-split", "train", "--val-split", "", "--output", output]
    line += ["--model", MODEL, "--num-classes", str(classes), "--input-size", "3", size, size]
    line += ["--mean", *map(str, mean), "--std", *map(str, std), "--train-interpolation", "bilinear"]
    line += ["--color-jitter", "0", "--color-jitter-prob", "0", "--smoothing", "0"]
    line += ["--opt", "sgd", "--lr", "0.15", "--momentum", "0.9", "--weight-decay", "5e-4"]
    line += ["--epochs", "1", "--warmup-epochs", "0", "--batch-size", str(task.batch_size)]
    line += ["--amp", "--amp-dtype", "bfloat16", "--channels-last", "--device", task.device]
    line += ["--workers", str(task.workers), "--log-interval", str(_log_interval(task))]
    return line + (["--pin-mem"] if task.device.startswith("cuda") else [])


class Log(logging.Handler):
    """What the script logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def images_per_second(log: str, task: Task) -> float:
    """The script's speed over the timed steps, from the running means that it logs.

    A log line's mean is over all updates so far, so that two lines give the time between them.

    Raises:
        RuntimeError: the log has not the lines of both ends.
    """
    means = {int(update): float(speed) for update, speed in LOG_LINE.findall(log)}
    ends = []
    for update in (task.warmup, task.last_step):
        if update not in means:
            raise RuntimeError(f"timm's script logged no speed after update {update}:\n{log}")
        ends.append((update + 1) * task.batch_size / means[update])
    return task.steps * task.batch_size / (ends[1] - ends[0])


def _log_interval(task: Task) -> int:
    """As rarely as the two lines that are needed allow: a line costs time."""
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
