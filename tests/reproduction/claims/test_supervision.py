import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explain.stats import Estimate
from reproduction.claims import supervision
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.plots import draw_supervision
from reproduction.plan import FAMILIES
from zoo.hub import open_model

RECORD = Path(__file__).parents[3] / "docs/results/rn26.cifar10.fast.seed0.json"


def test_differences_are_paired() -> None:
    one, other = np.array([1.0, 1, 1, 0, 1, 0]), np.array([0.0, 1, 0, 1, 1, 0])
    pair = supervision._compare("a", "b", one, other, seed=0)
    assert (pair["better"], pair["worse"]) == (2, 1)
    assert pair["difference"].value == pytest.approx(100 / 6)
    assert pair["difference"].low < pair["difference"].value < pair["difference"].high
    assert pair["p"] == 1


def test_mcnemars_test_is_exact() -> None:
    one, other = np.ones(10), np.zeros(10)
    assert supervision._compare("a", "b", one, other, seed=0)["p"] == pytest.approx(2 * 0.5**10)
    assert supervision._compare("a", "a", one, one, seed=0)["p"] == 1


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(0.5, 0.1, 0.9), (0.4, 0.1, 0.7)], "holds"),
        ([(0.5, 0.1, 0.9), (-0.4, -0.7, -0.1)], "holds in part"),
        ([(0.1, -0.3, 0.5), (-0.1, -0.4, 0.2)], "not shown"),
        ([(0.1, -0.3, 0.5), (-0.4, -0.7, -0.1)], "does not hold"),
    ],
)
def test_the_verdict_goes_by_the_rule(steps: list[tuple[float, float, float]], expected: str) -> None:
    assert supervision._verdict([{"difference": Estimate(*step)} for step in steps]) == expected


@pytest.mark.slow
def test_on_the_bundled_models(inputs: Callable[..., ClaimInputs]) -> None:
    finding = supervision.measure(inputs())
    assert set(finding.raw["accuracy"]) == {name for family in FAMILIES for name in family}
    assert "all 256 images of the test split" in finding.measured_on
    # A sample of the split on which metrics.json was measured: its standard error is about 2 points.
    for name, accuracy in finding.raw["accuracy"].items():
        recorded = open_model(name).metrics()["test"]["torch"]["accuracy"]
        assert accuracy.low < accuracy.value < accuracy.high
        assert accuracy.value == pytest.approx(recorded, abs=6)
    assert len(finding.numbers) == 4
    assert len(finding.raw["pairs"]) == 6
    assert len(draw_supervision(dict(finding.raw)).axes) == 2


def test_recorded_runs_over_the_seeds_that_a_family_shares(inputs: Callable[..., ClaimInputs], tmp_path: Path) -> None:
    for variant, seeds in {"rn26": (0, 1, 2), "rn26-aux": (0, 1), "rn26-ours": (0, 1, 3), "wrn16": (0,)}.items():
        for seed in seeds:
            changed = json.loads(RECORD.read_text())
            changed |= {"name": f"{variant}.{seed}", "variant": variant}
            changed["training"]["recipe"]["seed"] = seed
            changed["test"]["torch"]["accuracy"] = 90 + seed
            (tmp_path / f"{variant}.{seed}.json").write_text(json.dumps(changed))
    [found] = supervision._seeds(inputs())
    assert found["seeds"] == [0, 1]
    assert found["accuracy"] == {name: [90, 91] for name in ("rn26", "rn26-aux", "rn26-ours")}
    [table] = supervision._seeds_tables([found])
    assert table.rows[0][-1] == "90.50 ± 0.71"
