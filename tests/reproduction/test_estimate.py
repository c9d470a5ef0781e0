import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reproduction.estimate import OVERHEAD_MINUTES, UNMEASURED, Estimator, multiply_adds
from reproduction.plan import Run
from reproduction.records import run_name, write_record
from training import recipes
from training.recipe import Recipe
from zoo.registry import info

CPU = f"CPU, {platform.machine()}"


@pytest.fixture(autouse=True)
def _recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "test", Recipe(epochs=4))


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., None]:
    """Write the record of a run of 4 epochs of 50,000 images."""

    def write(variant: str, minutes: float, seed: int = 0, device: str = CPU, at_once: int = 1) -> None:
        name = run_name(variant, "cifar10", "test", {}, 0.0, seed)
        columns = {"epoch": [1, 2, 3, 4], "input_size": [32] * 4, "accuracy": [0.5] * 4}
        training = {"images": 50_000, "recipe": {"epochs": 4, "seed": seed}, "minutes": minutes, "history": columns}
        score = {"torch": {"images": 10_000, "accuracy": 90.0, "patch_accuracy": 80.0}}
        about = {"name": name, "variant": variant, "data": "cifar10", "weights_sha256": "0" * 64, "at_once": at_once}
        write_record(
            tmp_path / "records",
            about | {"training": training | {"machine": {"device": device}, "recipe_name": "test"}, "test": score},
        )

    return write


@pytest.fixture
def minutes(tmp_path: Path) -> Callable[..., float]:
    """Estimated minutes of training, with runs and records below `tmp_path`."""

    def estimate(run: Run, at_once: int = 1, device: str = "cpu") -> float:
        estimator = Estimator(tmp_path / "runs", tmp_path / "records", at_once, torch.device(device))
        return estimator(run) - OVERHEAD_MINUTES

    return estimate


def planned(variant: str, data: str = "cifar10", **arguments: object) -> Run:
    return Run(variant, data, "test", **arguments)  # type: ignore[arg-type]


def test_work_grows_with_images_epochs_and_the_square_of_their_side(cifar: Path) -> None:
    work = multiply_adds(planned("wrn16"))
    assert work == info("wrn16").multiply_adds * 50_000 * 4
    assert multiply_adds(planned("wrn16", changes=(("epochs", 8),))) == 2 * work
    assert multiply_adds(planned("wrn16", changes=(("growth", (0.5, 1.0)),))) == work * (0.25 + 1) / 2
    assert multiply_adds(planned("wrn16", "mini-imagenet")) == 9 * work
    assert multiply_adds(planned("wrn16", hold_out=0.4, limit=10_000)) == work / 5
    assert multiply_adds(planned("wrn16", hold_out=0.4)) == pytest.approx(work * 0.6)
    assert multiply_adds(planned("wrn16", str(cifar))) == work * 256 / 50_000


def test_a_record_of_the_same_variant_counts_alone(record: Callable[..., None], minutes: Callable[..., float]) -> None:
    record("wrn16", 10)
    record("wrn16", 30, seed=1)
    record("wrn16", 14, seed=2)
    record("rn26", 500)
    record("wrn16", 900, seed=3, device="another GPU")
    assert minutes(planned("wrn16", seed=4)) == pytest.approx(14)
    assert minutes(planned("wrn16", seed=4, changes=(("epochs", 1), ("growth", (1.0,))))) == pytest.approx(14 / 4)


def test_other_variants_count_by_their_work(record: Callable[..., None], minutes: Callable[..., float]) -> None:
    record("rn26", 10)
    assert minutes(planned("dn100")) == pytest.approx(10 * info("dn100").multiply_adds / info("rn26").multiply_adds)
    assert minutes(planned("rn26", "cifar100")) == pytest.approx(10)


def test_without_records_the_kind_of_device_counts(minutes: Callable[..., float]) -> None:
    assert minutes(planned("rn26")) == pytest.approx(multiply_adds(planned("rn26")) / UNMEASURED["cpu"])


def test_more_concurrent_runs_take_longer_each(record: Callable[..., None], minutes: Callable[..., float]) -> None:
    record("rn26", 10, at_once=2)
    assert [minutes(planned("rn26"), at_once) for at_once in (1, 2, 4)] == pytest.approx([10, 10, 20])


def test_new_records_count_at_once(record: Callable[..., None], tmp_path: Path) -> None:
    estimator = Estimator(tmp_path / "runs", tmp_path / "records", 1, torch.device("cpu"))
    before = estimator(planned("rn26"))
    record("rn26", 10)
    assert estimator(planned("rn26")) == pytest.approx(10 + OVERHEAD_MINUTES) != before


@pytest.mark.parametrize(
    ("log", "left"),
    [
        ('{"step": 100, "epoch": 0.5}\n{"step": 600, "epoch": 3.0}\n', 0.25),
        ('{"step": 100, "epo', 1),
        ("", 1),
        (None, 1),
    ],
)
def test_what_is_trained_already_is_not_counted(
    log: str | None, left: float, record: Callable[..., None], minutes: Callable[..., float], tmp_path: Path
) -> None:
    record("rn26", 10)
    run = planned("rn26", seed=1)
    folder = tmp_path / "runs" / run.name
    folder.mkdir(parents=True)
    if log is not None:
        (folder / "log.jsonl").write_text(log)
    assert minutes(run) == pytest.approx(10)
    (folder / "checkpoint.pt").touch()
    assert minutes(run) == pytest.approx(10 * left)
