from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.recorded_step import record
from support.training import train
from torch import Tensor

from training.captured_step import CapturedStep
from training.data.images import LabelledImages
from training.feed import Batch
from training.loop import TrainedNetwork
from training.recipe import Recipe

First = Callable[[int], LabelledImages]


def assert_same(one: TrainedNetwork, other: TrainedNetwork) -> None:
    """Bit by bit."""
    expected, actual = one.network.state_dict(), other.network.state_dict()
    assert expected.keys() == actual.keys()
    assert [name for name in expected if not torch.equal(expected[name], actual[name])] == []
    assert one.history == other.history


MIXED = {"mixup": 0.3, "cutout": 8, "interchange": 0.3}
COMPOSED = {"canvas": 0.4, "cutmix": 0.4, "patch_loss": "slack", "patch_weight_fall": 0.5, "balance": True}
TAUGHT = {"teacher": "wrn16-ours"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "changes"),
    [("wrn16-ours", MIXED), ("wrn16-ours", COMPOSED), ("rn26-ours", MIXED), ("wrn16-ours", TAUGHT)],
)
def test_replayed_steps_are_those_of_the_loop(
    variant: str, changes: dict[str, Any], first: First, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """50 steps at two sizes, with all that a step consists of, interrupted in the middle of an epoch.

    In bf16 where the processor has it.
    """
    recipe = Recipe(
        epochs=10,
        batch_size=4,
        peak_learning_rate=0.02,
        input_size=32,
        growth=(0.5, 1.0),
        ema_decay=0.9,
        clip_norm=0.5,
        **changes,
    )
    whole = train(variant, first(20), recipe, tmp_path / "whole")
    train(variant, first(20), recipe, tmp_path / "parts", stop_after=13, capture=record)
    assert_same(train(variant, first(20), recipe, tmp_path / "parts", capture=record), whole)
    assert "without a CUDA graph" not in capsys.readouterr().out


def batch_of(*labels: int, side: int = 4) -> Batch:
    count = len(labels)
    return Batch(torch.zeros(count, 3, side, side), torch.tensor(labels), torch.eye(count), torch.arange(count))


def summing() -> tuple[Tensor, Callable[[Batch], None]]:
    """A sum, and a step that adds the labels of a batch to it."""
    total = torch.zeros((), dtype=torch.int64)

    def step(batch: Batch) -> None:
        total.add_(batch.labels.sum())

    return total, step


def test_batches_are_copied_and_trials_leave_no_trace() -> None:
    total, step = summing()
    captures = []

    def capture(step: Callable[[], None]) -> Callable[[], None]:
        captures.append(step)
        return record(step)

    captured = CapturedStep(step, [total], capture, pytest.fail)
    sums = []
    for batch in (batch_of(1, 2), batch_of(3, 4), batch_of(1, 1, side=8), batch_of(5, 5, side=8)):
        captured(batch)
        sums.append(int(total))
    assert sums == [3, 10, 12, 22]
    assert len(captures) == 2


def test_a_step_that_cannot_be_captured_is_done_as_it_is() -> None:
    total, step = summing()
    said: list[str] = []

    def refuse(step: Callable[[], None]) -> Callable[[], None]:
        step()
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    captured = CapturedStep(step, [total], refuse, said.append)
    for batch in (batch_of(1, 2), batch_of(3, 4), batch_of(1, 1, side=8)):
        captured(batch)
    assert int(total) == 12
    assert len(said) == 1
    assert said[0].endswith(": operation not permitted when stream is capturing")


@pytest.mark.slow
def test_a_run_that_cannot_be_captured_trains_the_same(first: First, tiny: Recipe, tmp_path: Path) -> None:
    """Though it fails between backward pass and update."""

    def fail(step: Callable[[], None]) -> Callable[[], None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.optim.SGD, "step", refuse)
            step()
        raise AssertionError

    def refuse(optimizer: torch.optim.SGD) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    whole = train("wrn16-ours", first(32), tiny, tmp_path / "whole")
    assert_same(train("wrn16-ours", first(32), tiny, tmp_path / "failed", capture=fail), whole)


def test_a_step_that_reads_back_is_not_captured() -> None:
    """So that the tests above notice it."""
    total = torch.zeros((), dtype=torch.int64)
    said: list[str] = []
    captured = CapturedStep(lambda batch: total.add_(int(batch.labels.sum())), [total], record, said.append)
    captured(batch_of(1, 2))
    assert int(total) == 3
    assert said
