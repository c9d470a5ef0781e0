import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from PIL import Image

import zoo
from explain.attributions import ATTRIBUTIONS, PATCH_SOFTMAX
from explain.faithfulness.curves import CurveAreas
from explain.faithfulness.measure import MeasurementProtocol, measure_faithfulness
from explain.faithfulness.record import BETTER_DIRECTION
from training.data.images import LabelledImages
from zoo.package import Package
from zoo.registry import info

pytestmark = pytest.mark.slow

Run = Callable[..., CompletedProcess[str]]


FAST = {name: method for name, method in ATTRIBUTIONS.items() if name != "occlusion"}


@pytest.fixture
def measure(run_zoo: Run, cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `zoo faithfulness`, without the slow method and with few resamples."""
    monkeypatch.setattr("explain.attributions.ATTRIBUTIONS", FAST)
    monkeypatch.setattr("explain.faithfulness.measure.CURVE_RESAMPLES", 100)
    file = tmp_path / "faithfulness.json"

    def run(*models: str, images: int = 12) -> CompletedProcess[str]:
        return run_zoo("faithfulness", *models, "--data", cifar, "--images", images, "--mosaics", 1, "-o", file)

    return run


def test_a_record_has_every_method_and_the_differences_of_our_map(measure: Run, tmp_path: Path) -> None:
    done = measure("wrn16-ours")
    assert done.returncode == 0, done.stderr
    assert "semantic map" in done.stdout
    record = json.loads((tmp_path / "faithfulness.json").read_text())["models"]["wrn16-ours.cifar10"]
    assert (record["images"], record["mosaics"], record["mosaic_size"], record["grid"]) == (12, 1, 64, [8, 8])
    assert record["correct"] <= 12
    assert list(record["methods"]) == [name for name in FAST if name != PATCH_SOFTMAX]
    ours = record["methods"]["semantic map"]
    for name, own in record["differences"].items():
        assert list(own) == list(BETTER_DIRECTION)
        for key in BETTER_DIRECTION:
            gap = ours[key]["value"] - record["methods"][name][key]["value"]
            assert own[key]["value"] == pytest.approx(gap, abs=2e-5)
            assert own[key]["low"] <= own[key]["value"] + 1e-5 <= own[key]["high"] + 2e-5

    # The same command measures nothing anew, and another model joins the file.
    before = (tmp_path / "faithfulness.json").read_bytes()
    assert "already measured" in measure("wrn16-ours").stdout
    assert (tmp_path / "faithfulness.json").read_bytes() == before
    measure("wrn16")
    models = json.loads((tmp_path / "faithfulness.json").read_text())["models"]
    assert list(models) == ["wrn16-ours.cifar10", "wrn16.cifar10"]
    assert models["wrn16.cifar10"]["differences"] == {}
    assert models["wrn16-ours.cifar10"] == record


def test_other_settings_measure_anew(measure: Run, tmp_path: Path) -> None:
    measure("wrn16", images=12)
    assert "already measured" not in measure("wrn16", images=13).stdout
    assert json.loads((tmp_path / "faithfulness.json").read_text())["models"]["wrn16.cifar10"]["images"] == 13


def test_a_file_that_is_something_else_is_left_alone(measure: Run, tmp_path: Path) -> None:
    for content in ("no JSON", "[]", '{"models": [1]}', '{"models": {"a": 1}}'):
        (tmp_path / "faithfulness.json").write_text(content)
        done = measure("wrn16")
        assert done.returncode == 1
        assert "is not a record of `zoo faithfulness`" in done.stderr
        assert (tmp_path / "faithfulness.json").read_text() == content


def test_a_model_of_other_classes_is_refused(measure: Run, make_package: Callable[..., Package]) -> None:
    package = make_package("wrn16", classes=("yes", "no"))
    done = measure(f"local-dir:{package.path}")
    assert done.returncode == 1
    assert "are not those of wrn16.cifar10" in done.stderr


def test_a_model_of_fewer_than_four_classes_has_curves_only(
    run_zoo: Run, make_package: Callable[..., Package], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explain.attributions.ATTRIBUTIONS", FAST)
    monkeypatch.setattr("explain.faithfulness.measure.CURVE_RESAMPLES", 100)
    for shade, name in enumerate(("cold", "warm")):
        (tmp_path / "pair" / "test" / name).mkdir(parents=True)
        for index in range(2):
            Image.new("RGB", (32, 32), (200 * shade, index, 0)).save(tmp_path / "pair" / "test" / name / f"{index}.png")
    package = make_package("wrn16-ours", classes=("cold", "warm"), data="pair")
    file = tmp_path / "record.json"
    done = run_zoo("faithfulness", f"local-dir:{package.path}", "--data", tmp_path / "pair", "-o", file)
    assert done.returncode == 0, done.stderr
    assert "skipping the pointing game, which needs 4 classes: the model has 2\n" in done.stderr
    assert "mosaics" not in done.stdout
    assert "insertion" in done.stdout
    record = json.loads(file.read_text())["models"]["wrn16-ours.pair"]
    assert record["mosaics"] == 0
    assert {tuple(one) for one in record["methods"].values()} == {CurveAreas._fields}
    assert {tuple(one) for one in record["differences"].values()} == {CurveAreas._fields}


@pytest.mark.parametrize(("classes", "size"), [(3, 34), (5, 32)])
def test_too_few_correct_images_for_a_mosaic(classes: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.attributions.ATTRIBUTIONS", FAST)
    monkeypatch.setattr("explain.faithfulness.measure.CURVE_RESAMPLES", 100)
    images = torch.zeros(3, 3, size, size, dtype=torch.uint8)
    labelled = LabelledImages(images, torch.arange(3), tuple("abcde"[:classes]))
    network = zoo.create("wrn16", num_classes=classes).eval()
    found = measure_faithfulness(network, info("wrn16").patch_source, labelled, MeasurementProtocol(3, 0, 5))
    assert found["mosaics"] == 0
    assert {tuple(one) for one in found["methods"].values()} == {CurveAreas._fields}
