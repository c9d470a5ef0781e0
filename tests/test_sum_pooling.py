"""A network with generalised sum pooling goes all the way: trained, probed, exported, evaluated, served, reported."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import expect, sync_playwright
from support.page import cells
from support.serving import running
from typer.testing import CliRunner

import zoo
from reproduction.experiment_table import experiment_sections
from reproduction.experiments import experiment
from reproduction.records import grouped, read_records, record_of, write_record
from serve.app import create_app
from serve.client import Client
from serve.inference.service import Service
from serve.settings import Settings
from zoo.cli import _add_commands
from zoo.cli import app as program
from zoo.images.decode import decode_pixels
from zoo.package import POOLING_FILE, Package
from zoo.package.pooling import read_pooling
from zoo.predictors import Predictor
from zoo.predictors.onnx import OnnxPredictor

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
GAMMA = 20.0
RECIPE = ("--pooling", "gsp", "--pooling-gamma", GAMMA, "--epochs", 1, "--batch-size", 32)


def run(*arguments: object) -> str:
    ended = CliRunner().invoke(program, [str(argument) for argument in arguments])
    assert ended.exit_code == 0, ended.output + repr(ended.exception)
    return ended.output


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, cifar: Path) -> Package:
    """A model after a few steps of training: probed, exported and evaluated."""
    _add_commands()
    folder = tmp_path_factory.mktemp("runs") / "sharp"
    images = ("--data", cifar)
    limits = ("--hold-out", 0.2, "--limit", 96, "--device", "cpu", "--run-folder", folder)
    run("train", "wrn16-ours", *images, "--recipe", "fast", "--growth", 1, *RECIPE, *limits)
    model = f"local-dir:{folder / 'model'}"
    assert "with all weights 1" in run("probe", model, *images, "--record")
    run("export", model)
    run("eval", model, *images, "--split", "held-out", "--through", "onnx", "--record")
    return Package.open(folder / "model")


def predictor_of(package: Package) -> Predictor:
    return OnnxPredictor.open(package, "cpu", threads=1)


@pytest.fixture(scope="module")
def url(package: Package, cifar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the model with an index of the test images."""
    index = tmp_path_factory.mktemp("index") / "index"
    run("index", "--data", cifar, "--model", f"local-dir:{package.path}", "-o", index)
    with running(create_app(Service(Settings(threads=1, index=str(index)), [package], predictor_of))) as url:
        yield url


def test_it_is_trained_probed_and_evaluated(package: Package) -> None:
    config, found = package.config, read_pooling(package)
    assert (config.pooling, config.kept_mass, config.pooling_gamma) == ("gsp", 0.3, GAMMA)
    assert (package.path / POOLING_FILE).is_file()
    assert found
    assert (found.images, found.split) == (50, "held-out")
    assert found.spread > 0.3  # sharper than gamma 5, whose spread is about 0.1
    measured = package.metrics()
    assert measured["held-out"].keys() == {"torch", "onnx"}
    torch_score, onnx_score = (measured["held-out"][through]["accuracy"] for through in ("torch", "onnx"))
    assert onnx_score == pytest.approx(torch_score, abs=2.5)
    assert "Pooling: gsp (gamma 20), which keeps 30% of the patches." in (package.path / "README.md").read_text()


def test_its_record_is_read_and_reported(package: Package, tmp_path: Path) -> None:
    record = json.loads(json.dumps(record_of(package)))
    write_record(tmp_path, record)
    [read] = read_records(tmp_path)
    assert read.pooling == read_pooling(package)
    assert read.training.recipe["pooling_gamma"] == GAMMA
    gsp = experiment("gsp")
    [arm] = [arm for arm in gsp.arms if arm.title == "plain, sum pooling, gamma 20"]
    assert dict(gsp.run(arm, 0).changes)["pooling_gamma"] == GAMMA
    assert experiment_sections(grouped([read]))  # a record of another run is no arm's, and is not in the way


def test_the_server_shows_what_was_kept(package: Package, url: str, photo_file: Path) -> None:
    pixels = torch.from_numpy(decode_pixels(photo_file.read_bytes(), 32).pixels)[None]
    with torch.inference_mode():
        expected = zoo.load(f"local-dir:{package.path}").predict(pixels)["kept_mass"][0].numpy()
    with Client(url) as client:
        answer = client.patch_semantics(photo_file)
    [kept] = [one for one in answer.results[0].maps if one.name == "kept_mass"]
    np.testing.assert_allclose(kept.values, expected, atol=1e-3)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on PATH")
def test_the_page_shows_what_was_kept_and_the_nearest_images(url: str, photo_file: Path) -> None:
    with Client(url) as client:
        [kept] = [one for one in client.patch_semantics(photo_file).results[0].maps if one.name == "kept_mass"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.locator("#file").set_input_files(photo_file)
        expect(page.locator("#near li")).to_have_count(12, timeout=60_000)
        expect(page.locator(".readout")).to_contain_text("What was kept: 0.3")  # the mean over all patches
        page.get_by_text("What was kept", exact=True).click()
        values = np.array(kept.values)
        np.testing.assert_allclose(cells(page)[..., 3], 255 * (1 - values / values.max()), atol=2)
        browser.close()
