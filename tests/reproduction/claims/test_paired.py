"""Claims 1b and 2, from made-up records of experiments."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reproduction.claims import order, replacement
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.paired import draw
from reproduction.experiments import EXPERIMENTS

RECORD = Path(__file__).parents[3] / "docs/results/rn26.cifar10.fast.seed0.json"

Inputs = Callable[..., ClaimInputs]
BASE = (70.0, 71.0, 70.5, 70.8)


@pytest.fixture
def write_arm(tmp_path: Path) -> Callable[..., None]:
    """Write records of an arm with these accuracies, from seed 0."""

    def write(experiment: str, title: str, accuracies: Sequence[float]) -> None:
        [arm] = [arm for arm in EXPERIMENTS[experiment].arms if arm.title == title]
        for seed, accuracy in enumerate(accuracies):
            run = EXPERIMENTS[experiment].run(arm, seed)
            record = json.loads(RECORD.read_text()) | {"name": run.name, "variant": run.variant}
            score = record.pop("test")["torch"] | {"accuracy": accuracy}
            record["training"]["recipe"]["seed"] = seed
            record |= {"held-out": {"torch": score}, "changes": dict(run.changes)}
            (tmp_path / f"{run.name}.json").write_text(json.dumps(record))

    return write


def shifted(*shifts: float) -> list[float]:
    return [base + shift for base, shift in zip(BASE, shifts, strict=False)]


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ((-0.1, 0.1, 0.0, 0.2), "holds"),
        ((-0.1, 0.1, 0.0), "not shown"),
        ((-2.1, -1.9, -2.0, -2.2), "does not hold"),
        ((-3.0, 3.0, 0.5, -1.0), "not shown"),
        ((), "not shown"),
    ],
)
def test_claim_1b(inputs: Inputs, write_arm: Callable[..., None], shifts: tuple[float, ...], expected: str) -> None:
    write_arm("softmax", "BN-ReLU", BASE)
    write_arm("softmax", "softmax with slack", shifted(*shifts))
    finding = replacement.measure(inputs())
    assert finding.verdict == expected
    assert f"{len(shifts)} paired seeds" in finding.text
    assert "still has batch normalisations" in finding.text
    assert len(draw(dict(finding.raw)).axes) == 1


@pytest.mark.parametrize(
    ("ours", "aux", "expected"),
    [
        ((2.0, 2.1, 2.2, 2.0), (1.0, 1.1, 1.2, 1.1), "holds"),
        ((1.0, 1.2, 1.3, 1.0), (1.0, 1.1, 1.2, 1.1), "holds in part"),
        ((0.0, 0.1, 0.2, 0.1), (1.0, 1.1, 1.2, 1.1), "does not hold"),
        ((0.3, -0.3, 0.2, 0.0), (0.1, -0.1, 0.1, -0.2), "not shown"),
        ((2.0, 2.1, 2.2), (1.0, 1.1, 1.2, 1.1), "not shown"),
    ],
)
def test_claim_2(
    inputs: Inputs,
    write_arm: Callable[..., None],
    ours: tuple[float, ...],
    aux: tuple[float, ...],
    expected: str,
) -> None:
    write_arm("feedback", "plain", BASE)
    write_arm("feedback", "aux", shifted(*aux))
    write_arm("feedback", "ours", shifted(*ours))
    finding = order.measure(inputs())
    assert finding.verdict == expected
    assert len(finding.tables[0].rows) == len(EXPERIMENTS["feedback"].arms)
    assert len(draw(dict(finding.raw)).axes) == 1


def test_without_records(inputs: Inputs) -> None:
    finding = order.measure(inputs())
    assert finding.verdict == "not shown"
    assert "zoo reproduce --experiment feedback" in finding.measured_on
    assert not finding.numbers
