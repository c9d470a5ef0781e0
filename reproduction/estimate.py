"""How long a run will take, estimated from the records of other runs or from its multiply-adds."""

import json
import os
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

import torch

from reproduction.plan import Run
from reproduction.records import Record, read_records
from training.checkpoint import CHECKPOINT_FILE, LOG_FILE
from training.device import device_name
from zoo.registry import info

OVERHEAD_MINUTES = 1.0
"""Minutes of a run beside its training: start, decoding of the images, evaluation and probe."""

UNMEASURED: Mapping[str, float] = MappingProxyType({"cpu": 1e12, "cuda": 6e13})
"""Multiply-adds of forward passes per minute of training, where no run was recorded, by type of device: about two CPU
cores, and one of four concurrent runs on a GPU, which was not measured."""

PUBLISHED: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"cifar10": (50_000, 32), "cifar100": (50_000, 32), "mini-imagenet": (50_000, 96)}
)
"""Number of training images, and side of the network's input in pixels, of the paper's data sets."""


class Estimator:
    """Estimates the remaining minutes of runs.

    Records of the same variant and data set on the same device count, or else all records of the device, in proportion
    to their multiply-adds. They are read again when there are new ones.

    Arguments:
        runs, records, at_once: as for `reproduction.execute.execute`.
        device: device of the runs.
    """

    def __init__(self, runs: Path, records: Path, at_once: int, device: torch.device) -> None:
        self._runs = runs
        self._folder = records
        self._at_once = at_once
        self._unmeasured = UNMEASURED.get(device.type, UNMEASURED["cpu"])
        self._device = device_name(device)
        self._files: list[Path] = []
        self._records: list[Record] = []

    def __call__(self, run: Run) -> float:
        """Remaining minutes of a run."""
        recorded = [record for record in self._current() if record.training.machine.device == self._device]
        same = [record for record in recorded if (record.variant, record.data) == (run.variant, run.data)]
        minutes = multiply_adds(run) / (self._per_minute(same or recorded) or self._unmeasured)
        return minutes * (1 - self._progress(run)) + OVERHEAD_MINUTES

    def _per_minute(self, records: Iterable[Record]) -> float | None:
        """Median of the multiply-adds per minute; lower where more runs than at the time share the device."""
        speeds = [
            _recorded_multiply_adds(record) / record.training.minutes * min(1, record.at_once / self._at_once)
            for record in records
            if record.training.minutes
        ]
        return statistics.median(speeds) if speeds else None

    def _current(self) -> list[Record]:
        files = sorted(self._folder.glob("*.json"))
        if files != self._files:
            self._files, self._records = files, read_records(self._folder)
        return self._records

    def _progress(self, run: Run) -> float:
        """Share of a run's epochs that an earlier command has trained, by its log."""
        folder = self._runs / run.name
        if not (folder / CHECKPOINT_FILE).exists():
            return 0.0
        try:
            *_, last = (folder / LOG_FILE).read_text().splitlines()
            epochs = float(json.loads(last)["epoch"])
        except (OSError, ValueError, KeyError, TypeError):  # a killed run may leave half a line
            return 0.0
        return min(epochs / run.recipe.epochs, 1.0)


def multiply_adds(run: Run) -> float:
    """Multiply-adds of the forward passes of a run's training."""
    images, side = _size_of(run.source, run.data)
    images = min(round(images * (1 - run.hold_out)), run.limit or images)
    recipe = run.recipe if run.recipe.input_size else replace(run.recipe, input_size=side)
    return _work(run.variant, images, (recipe.side(epoch) for epoch in range(recipe.epochs)))


def _recorded_multiply_adds(record: Record) -> float:
    return _work(record.variant, record.training.images, record.training.history["input_size"])


def _work(variant: str, images: int, sides: Iterable[float]) -> float:
    return info(variant).multiply_adds * images * sum((side / 32) ** 2 for side in sides)


@cache
def _size_of(source: str, data: str) -> tuple[int, int]:
    """Number of training images of a data set, and side of the input; an unknown one is not fetched to count them."""
    from training.data.data_set import open_splits
    from training.data.prepare import choose_input_size

    if not os.path.isdir(source):
        return PUBLISHED.get(data, PUBLISHED["mini-imagenet"])
    encoded = open_splits(source).train
    return len(encoded), choose_input_size(encoded)[0]
