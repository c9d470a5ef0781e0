"""What docs/explain.md says of the semantic map is what was measured."""

from pathlib import Path
from typing import Any

import faithfulness_tables
import pytest

from explain.faithfulness.record import BETTER_DIRECTION, read_measurements, write_measurements

NAMES = ("patch logits", "Grad-CAM", "random")


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record of a model whose map is 0.1 below patch logits, as good as Grad-CAM and 0.2 above random, everywhere."""
    gaps = dict(zip(NAMES, (-0.1, 0.0, 0.2), strict=True))
    model: dict[str, Any] = {
        "data": "cifar10", "split": "test", "protocol": {"seed": 3},
        "images": 1000, "correct": 900, "mosaics": 100, "image_size": 32, "mosaic_size": 64, "grid": [8, 8],
        "methods": {"semantic map": {measure: estimate(0.5) for measure in BETTER_DIRECTION}},
        "differences": {name: {measure: estimate(gap) for measure in BETTER_DIRECTION} for name, gap in gaps.items()},
    }  # fmt: skip
    file = tmp_path / "faithfulness.json"
    write_measurements(file, {"rn26-ours.cifar10": model, "rn26.cifar10": model | {"differences": {}}})
    monkeypatch.setattr(faithfulness_tables, "RESULTS", file)
    return file


@pytest.mark.usefixtures("record")
def test_less_deletion_is_better_and_more_of_the_rest() -> None:
    said = [line.strip() for line in faithfulness_tables.verdict().splitlines()]
    assert said[0] == "- `rn26-ours.cifar10`"
    assert said[1] == "- deletion: better than patch logits; worse than random; no clear difference from Grad-CAM."
    assert said[3] == "- insertion: better than random; worse than patch logits; no clear difference from Grad-CAM."
    assert len(said) == 7, "a model without the block has nothing to compare"


@pytest.mark.usefixtures("record")
def test_a_row_a_method() -> None:
    worse, better = (f"+0.200 (+0.150 to +0.250) {side}" for side in ("worse", "better"))
    row = f"| `rn26-ours.cifar10` | random | {worse} | {worse} | {better} | {better} |"
    assert row in faithfulness_tables.differences()
    assert "| `rn26.cifar10` | semantic map | 0.500 (0.450 to 0.550) |" in faithfulness_tables.methods()
    assert (
        "1,000 test images of cifar10, 32 x 32 | 8 x 8 | 900 | 100, 64 x 64 | 3 |" in faithfulness_tables.measured_on()
    )


def test_without_a_record_it_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faithfulness_tables, "RESULTS", tmp_path / "none.json")
    tables = faithfulness_tables.FAITHFULNESS | faithfulness_tables.DIFFERENCES
    assert {table() for table in tables.values()} == {faithfulness_tables.NOT_MEASURED}


def test_an_older_record_lacks_measures(record: Path) -> None:
    models = read_measurements(record)
    for model in models.values():
        for by_method in (model["methods"], model["differences"]):
            for measures in by_method.values():
                measures.pop("deletion_blurred", None)
    write_measurements(record, models)
    assert "blurred:" not in faithfulness_tables.verdict()
    assert "| `rn26.cifar10` | semantic map | 0.500 (0.450 to 0.550) |  | 0.500" in faithfulness_tables.methods()
    assert "worse |  | +0.200" in faithfulness_tables.differences()
