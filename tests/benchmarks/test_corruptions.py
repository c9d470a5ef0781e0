import json
from pathlib import Path

import corruption_tables
import corruptions
import numpy as np
import pytest
import torch
from corruptions import CLEAN, CORRUPTIONS, conditions, corrupt, report

from reproduction.plan import FAMILIES
from training.data.images import LabelledImages

IMAGES = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_change_more_with_severity_and_alike_with_a_seed(name: str) -> None:
    made = [corrupt(IMAGES, name, severity, seed=0) for severity in (1, 2, 3)]
    assert all(one.dtype == torch.uint8 and one.shape == IMAGES.shape for one in made)
    first, second, third = ((one.float() - IMAGES.float()).abs().mean() for one in made)
    assert 0 < first < second < third
    assert torch.equal(made[0], corrupt(IMAGES, name, 1, seed=0))


def test_only_noise_depends_on_the_seed() -> None:
    differing = {
        name for name in CORRUPTIONS if not torch.equal(corrupt(IMAGES, name, 1, 0), corrupt(IMAGES, name, 1, 1))
    }
    assert differing == {"gaussian noise"}


def test_every_condition_is_measured_on_the_same_images() -> None:
    labelled = LabelledImages(IMAGES, torch.arange(4), tuple("abcd"))
    made = conditions(labelled, seed=0)
    assert len(made) == 1 + 3 * len(CORRUPTIONS)
    assert made[CLEAN] is labelled


@pytest.fixture
def correct() -> dict[str, dict[str, np.ndarray]]:
    """Answers of a family in which the block is right in all images and the others in half."""
    names = [CLEAN, *(f"{name}:{severity}" for name in CORRUPTIONS for severity in (1, 2, 3))]
    plain, aux, ours = FAMILIES[0]
    half = np.tile([0.0, 1.0], 20)
    return {variant: dict.fromkeys(names, values) for variant, values in
            {plain: half, aux: half, ours: np.ones(40)}.items()}  # fmt: skip


def test_means_leave_out_the_images_that_are_not_corrupted(correct: dict[str, dict[str, np.ndarray]]) -> None:
    plain, aux, ours = FAMILIES[0]
    correct[ours] |= {CLEAN: np.zeros(40)}
    found = report(correct, seed=0)
    assert found["models"][ours]["mean"]["value"] == 100
    assert found["models"][ours]["clean"]["value"] == 0
    assert found["differences"][ours][aux]["value"] == pytest.approx(50)
    assert found["differences"][ours][plain]["low"] > 0


def test_the_table(correct: dict[str, dict[str, np.ndarray]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruption_tables, "RESULTS", tmp_path / "corruptions.json")
    assert corruption_tables.corrupted_images() == corruption_tables.NOT_MEASURED
    strengths = {name: list(values) for name, (_, values) in corruptions.CORRUPTIONS.items()}
    about = {"data": "cifar10", "split": "test", "images": 40, "seed": 0, "strengths": strengths}
    (tmp_path / "corruptions.json").write_text(json.dumps(about | report(correct, 0)))
    table = corruption_tables.corrupted_images()
    assert "| 50.0 / 50.0 / 50.0 |" in table
    assert "`rn26-ours` minus `rn26-aux` +50.00 [" in table
