import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explain.semantics.entities import classify_mixture
from explain.semantics.sheet import CLASSES, MARGIN, ROW, SMALLEST_USAGE, TEXT_WIDTH
from zoo.hub import open_model
from zoo.package import ENTITIES_FILE, Package
from zoo.package.entities import Entities
from zoo.search.image_index import ImageIndex

pytestmark = pytest.mark.slow

RunZoo = Callable[..., CompletedProcess[str]]
FEW = ("--images", 40, "--training-images", 60)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A copy of a model that has no entities yet."""
    folder = tmp_path_factory.mktemp("model") / "wrn16-ours.cifar10"
    shutil.copytree(open_model("wrn16-ours").path, folder, ignore=shutil.ignore_patterns(ENTITIES_FILE))
    return Package.open(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def report(model: Package, folder: Path, cifar: Path, run_zoo: RunZoo) -> Path:
    """A report, with the entities recorded; made once."""
    if not (folder / "report.html").exists():
        ended = run_zoo("semantics", f"local-dir:{model.path}", "--data", cifar, "-o", folder, *FEW, "--record")
        assert ended.returncode == 0, ended.stderr
        assert "40 test images of cifar10, wrn16-ours.cifar10" in ended.stdout
    return folder


def test_the_page_needs_nothing_else(report: Path) -> None:
    page = (report / "report.html").read_text()
    outside = re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert outside == []
    assert "url(http" not in page
    assert "@import" not in page
    for heading in ("Entities", "Expected pairs", "Geometry", "Class vectors", "Slack", "By position in the grid"):
        assert f">{heading}</h" in page


def test_the_sheet_has_a_row_for_each_kind(report: Path) -> None:
    summary = json.loads((report / "summary.json").read_text())
    kinds = summary["entities"]["kinds"]
    found = sum(one["found"] for one in summary["entities"]["searched"].values())
    rows = min(kinds.get("pure", {"entities": 0})["entities"], 1) + found
    rows += min(kinds.get("generic", {"entities": 0})["entities"], 2)
    with Image.open(report / "entities.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert rows > 1
    assert len(pixels) == 2 * MARGIN + rows * ROW
    for row in range(rows):
        part = pixels[MARGIN + row * ROW :][:ROW]
        assert part[:, : MARGIN + TEXT_WIDTH].std() > 5
        assert part[:, MARGIN + TEXT_WIDTH :].std() > 5


def test_the_summary_has_numbers_with_intervals(report: Path) -> None:
    summary = json.loads((report / "summary.json").read_text())
    assert summary["images"] == 40
    assert summary["training_images"] == 60
    assert set(summary["geometry"]) == {"before", "after", "mixture"}
    assert set(summary["geometry_change"]) == {"after", "mixture"}
    assert set(summary["entities"]["searched"]) == {"wing", "tyre"}
    assert summary["class_vectors"]["groupings"] == 210
    assert set(summary["class_means"]) == {"before", "after", "mixture"}
    assert summary["templates"] is None
    numbers = [summary["accuracy"], summary["slack"]["none"], *summary["geometry"]["after"].values()]
    for number in numbers:
        assert number["low"] <= number["value"] <= number["high"]
    frequencies = [one["frequency"]["value"] for one in summary["entities"]["all"]]
    assert sum(frequencies) == pytest.approx(1)


def test_the_tables_have_every_patch(report: Path) -> None:
    patches = pq.read_table(report / "patches.parquet").to_pydict()
    assert len(patches["image"]) == 40 * 64
    assert patches["row"][:9] == [0] * 8 + [1]
    summary = json.loads((report / "summary.json").read_text())
    shares = {one["name"]: one["frequency"]["value"] for one in summary["entities"]["all"]}
    for name, share in shares.items():
        assert patches["entity"].count(name) == round(share * 40 * 64)
    assert pq.read_table(report / "slack.parquet").num_rows == 7
    assert pq.read_table(report / "map.parquet").num_rows == 80


def test_recorded_entities_are_of_their_kinds(report: Path, model: Package) -> None:
    entities = Entities.read(model)
    assert entities is not None
    assert entities.found_on.images == 60
    assert sum(entity.frequency for entity in entities.entities) == pytest.approx(1, abs=1e-3)
    assert "pure" in {entity.kind for entity in entities.entities}
    for mixture, entity in zip(entities.mixtures, entities.entities, strict=True):
        if entity.kind in ("pure", "pair"):
            assert classify_mixture(mixture).name(entities.classes) == entity.name


def test_a_plain_variant_says_what_cannot_be_said(
    make_package: Callable[..., Package], cifar: Path, tmp_path: Path, run_zoo: RunZoo
) -> None:
    classes = open_model("wrn16-ours").config.classes
    plain = make_package("wrn16-aux", classes=classes)
    out = tmp_path / "report"
    arguments = ("--data", cifar, "-o", out, "--images", 12, "--training-images", 20)
    ended = run_zoo("semantics", f"local-dir:{plain.path}", *arguments)
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["geometry"]) == {"before"}
    assert "entities" not in summary
    assert "has no semantic block" in summary["not_possible"][0]
    page = (out / "report.html").read_text()
    assert "has no semantic block" in page
    assert ">Slack</h2>" not in page
    assert not (out / "index").exists()


def test_several_templates_have_a_section(
    make_package: Callable[..., Package], cifar: Path, tmp_path: Path, run_zoo: RunZoo
) -> None:
    classes = open_model("wrn16-ours").config.classes
    package, out = make_package("wrn16-ours", classes=classes, templates=3), tmp_path / "report"
    arguments = ("--data", cifar, "-o", out, "--images", 12, "--training-images", 20)
    ended = run_zoo("semantics", f"local-dir:{package.path}", *arguments)
    assert ended.returncode == 0, ended.stderr
    found = json.loads((out / "summary.json").read_text())["templates"]
    assert found["per_class"] == 3
    assert tuple(found["by_class"]) == classes
    for one in found["by_class"].values():
        assert sum(one["usage"]) == pytest.approx(1)
        assert 1 <= one["perplexity"] <= 3
    assert found["position"]["patches"] == 12 * 64
    assert set(found["position"]["permuted_within"]) == {"class", "class and image"}
    page = (out / "report.html").read_text()
    for heading in ("Templates", "Position", "Strongest patches"):
        assert f">{heading}</h" in page
    table = pq.read_table(out / "templates.parquet")
    assert table.num_rows == 30
    assert {len(row) for row in table["strongest_image"].to_pylist()} == {8}
    assert ImageIndex.open(out / "index", kind="patches").header.shape == (12, 8, 8, 11)
    most = sorted(found["by_class"].values(), key=lambda one: -one["perplexity"])[:CLASSES]
    used = [share for one in most for share in one["usage"] if share >= SMALLEST_USAGE]
    with Image.open(out / "templates.png") as sheet:
        assert sheet.height == 2 * MARGIN + len(used) * ROW


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wrn16-ours", "--split", "train"), "--split train: .*choose another split"),
        (("wrn16", "--record"), "wrn16 has no semantic block"),
        (("wrn16-ours", "--data", "elsewhere", "--record"), "--data elsewhere: only entities of cifar10"),
    ],
)
def test_what_cannot_be_asked(
    arguments: tuple[str, ...], message: str, cifar: Path, tmp_path: Path, run_zoo: RunZoo
) -> None:
    data = () if "--data" in arguments else ("--data", cifar)
    ended = run_zoo("semantics", *arguments, *data, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert re.search(message, ended.stderr), ended.stderr


def test_other_classes_are_refused(
    make_package: Callable[..., Package], cifar: Path, tmp_path: Path, run_zoo: RunZoo
) -> None:
    ended = run_zoo("semantics", f"local-dir:{make_package().path}", "--data", cifar, "-o", tmp_path / "out", *FEW)
    assert ended.returncode == 1
    assert "are not those of wrn16-ours.cifar10" in ended.stderr
