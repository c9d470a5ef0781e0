"""An output that only its network knows goes all the way: ONNX file, parity, server, Open Inference and page."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from playwright.sync_api import expect, sync_playwright
from safetensors.torch import save_file
from starlette.testclient import TestClient
from support.closeness import assert_alike
from support.fourth_output import CHECKER, CONTRAST, PATCH_EMBEDDING, VARIANT, registered
from support.serving import running, send
from typer.testing import CliRunner

import zoo
from export.onnx_file import export_network
from export.verify import verify
from serve.app import create_app
from serve.client import Client
from serve.inference.service import Service
from serve.settings import Settings
from zoo.answers import map_answers
from zoo.cli import app as program
from zoo.errors import InputError, PackageError
from zoo.files import sha256
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Pixels
from zoo.outputs import EMBEDDING, STANDARD, Output
from zoo.package import CONFIG_FILE, ONNX_FILES, WEIGHTS_FILE, ModelConfig, Package
from zoo.predictors import Prediction, Predictor
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.onnx_session import read_declarations
from zoo.predictors.torch import TorchPredictor
from zoo.semantic_map import NONE_COLOUR, class_colour

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OWN = (CONTRAST, CHECKER, PATCH_EMBEDDING)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Package]:
    """A model directory of the made-up variant, exported."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / f"{VARIANT}.cifar10"
    folder.mkdir()
    with registered():
        network = zoo.create(VARIANT, num_classes=3).eval()
        save_file(network.state_dict(), folder / WEIGHTS_FILE)
        digest = sha256(folder / WEIGHTS_FILE)
        config = ModelConfig(VARIANT, "cifar10", ("cat", "dog", "bird"), 32, CIFAR10_NORMALIZATION, digest)
        (folder / CONFIG_FILE).write_text(config.to_json())
        export_network(network, config, folder / ONNX_FILES["fp32"])
        yield Package.open(folder)


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)


def predictor_of(package: Package) -> Predictor:
    return OnnxPredictor.open(package, "cpu", threads=1)


@pytest.fixture(scope="module")
def client(package: Package) -> Iterator[TestClient]:
    with TestClient(create_app(Service(Settings(threads=1), [package], predictor_of))) as client:
        yield client


def test_the_file_declares_it(package: Package) -> None:
    declared = read_declarations(package.path / ONNX_FILES["fp32"])
    assert declared.outputs == (*STANDARD, EMBEDDING, *OWN)
    assert declared.shapes["contrast"] == (8, 8)
    assert declared.shapes["patch_embedding"] == (16,)


def test_predictors_give_it(package: Package, pixels: Pixels) -> None:
    expected, actual = TorchPredictor.open(package)(pixels), predictor_of(package)(pixels)
    assert expected.outputs == actual.outputs == (*STANDARD, EMBEDDING, *OWN)
    assert actual["contrast"].shape == actual["checker"].shape == (5, 8, 8)
    assert actual["checker"].dtype == np.int64
    for output in expected.outputs:
        assert_alike(actual[output.name], expected[output.name])
    assert actual.rows(1, 3)["contrast"].shape == (2, 8, 8)


def test_parity_is_measured_of_it(package: Package, pixels: Pixels) -> None:
    parity = verify(package, pixels)
    assert list(parity.max_abs_error) == [
        *("logits", "patch_logits", "assignment", "embedding"),
        *("contrast", "patch_embedding"),
    ]
    assert list(parity.agreement) == ["logits", "patch_logits", "assignment", "checker"]
    assert parity.agreement["checker"] == 1


def test_the_server_answers_with_the_maps(client: TestClient, package: Package, photo_file: Path) -> None:
    [result] = send(client, "/patch-semantics", photo_file).raise_for_status().json()["results"]
    contrast, checker = result["maps"]
    assert {name: contrast[name] for name in ("name", "kind", "title", "legend")} == {
        "name": "contrast",
        "kind": "scalar map",
        "title": "Contrast",
        "legend": [],
    }
    assert checker["legend"] == ["even", "odd"]
    assert len(checker["colours"]) == 2
    assert np.array(checker["values"]).tolist() == (np.indices((8, 8)).sum(axis=0) % 2).tolist()
    with_pixels = zoo.load(f"local-dir:{package.path}")
    expected = with_pixels.predict(with_pixels.pixels(str(photo_file)))["contrast"][0]
    assert_alike(np.array(contrast["values"], np.float32), expected.detach().numpy())


def test_open_inference_describes_and_gives_it(client: TestClient, package: Package, pixels: Pixels) -> None:
    url = f"/v2/models/{package.config.name}"
    metadata = client.get(url).json()
    assert metadata["outputs"][3:] == [
        {"name": "embedding", "datatype": "FP32", "shape": [-1, 128]},
        {"name": "contrast", "datatype": "FP32", "shape": [-1, 8, 8]},
        {"name": "checker", "datatype": "INT64", "shape": [-1, 8, 8]},
        {"name": "patch_embedding", "datatype": "FP32", "shape": [-1, 16]},
    ]
    declared = json.loads(metadata["parameters"]["outputs"])
    assert [Output(**{**each, "legend": tuple(each["legend"])}) for each in declared[3:]] == [EMBEDDING, *OWN]
    tensor = {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.ravel().tolist()}
    answer = client.post(f"{url}/infer", json={"inputs": [tensor], "outputs": [{"name": "contrast"}]}).json()
    [output] = answer["outputs"]
    expected = predictor_of(package)(pixels)["contrast"]
    assert_alike(np.array(output["data"], np.float32).reshape(output["shape"]), expected)


def test_the_client_and_the_program_read_it(package: Package, photo_file: Path, tmp_path: Path) -> None:
    with running(create_app(Service(Settings(threads=1), [package], predictor_of))) as url, Client(url) as client:
        maps = client.patch_semantics(photo_file).results[0].maps
    assert [each.name for each in maps or []] == ["contrast", "checker"]
    out = tmp_path / "patches.json"
    options = ["patches", str(photo_file), "-o", str(out), "--model", f"local-dir:{package.path}"]
    assert CliRunner().invoke(program, options).exit_code == 0
    [result] = json.loads(out.read_text())["results"]
    assert [each["name"] for each in result["maps"]] == ["contrast", "checker"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"contrast": lambda tensor: tensor[:, None]}, "output contrast is declared as scalar map"),
        ({"checker": lambda tensor: tensor.float()}, "output checker is declared as index map"),
        ({"contrast": None}, "the network declares contrast, and does not predict it"),
    ],
)
def test_what_is_not_as_declared_is_not_exported(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], message: str
) -> None:
    network = zoo.load(f"local-dir:{package.path}")
    predict = type(network).compute_outputs

    def other(self: Any, activations: Any) -> dict[str, torch.Tensor]:
        predicted = predict(self, activations)
        for name, change in changed.items():
            predicted = {key: value for key, value in predicted.items() if change or key != name}
            if change:
                predicted[name] = change(predicted[name])
        return predicted

    monkeypatch.setattr(type(network), "compute_outputs", other)
    with pytest.raises(InputError, match=message):
        export_network(network, package.config, tmp_path / "model.onnx")


def test_a_file_that_is_not_as_its_metadata_declare_is_refused(package: Package, tmp_path: Path) -> None:
    model = onnx.load(package.path / ONNX_FILES["fp32"])
    [declared] = [entry for entry in model.metadata_props if entry.key == "outputs"]
    declared.value = declared.value.replace("scalar map", "index map")
    declared.value = declared.value.replace('"Contrast", "legend": []', '"", "legend": ["a"]')
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(PackageError, match="output contrast is declared as index map"):
        read_declarations(tmp_path / "model.onnx")


def test_numbers_that_are_not_finite_are_null() -> None:
    values = np.array([[[0.5, np.nan], [np.inf, 1]]], np.float32)
    arrays = [np.zeros((1, 3)), np.zeros((1, 3, 2, 2)), np.zeros((1, 4, 2, 2)), values]
    [found] = map_answers(Prediction((*STANDARD, CONTRAST), arrays), 0, ("a", "b", "c"))
    assert found["values"] == [[0.5, None], [None, 1.0]]


def test_the_slack_has_a_colour_of_its_own() -> None:
    doubt = Output("doubt", "class map", "Doubt", "classes and none")
    arrays = [np.zeros((1, 1)), np.zeros((1, 1, 1, 1)), np.zeros((1, 2, 1, 1)), np.zeros((1, 2, 1, 1))]
    [found] = map_answers(Prediction((*STANDARD, doubt), arrays), 0, ("a",))
    assert found["colours"] == [class_colour(0), NONE_COLOUR]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A model directory of a network with two templates per class, exported."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("templates") / "wrn16-ours.cifar10"
    folder.mkdir()
    network = zoo.create("wrn16-ours", num_classes=3, templates=2).eval()
    save_file(network.state_dict(), folder / WEIGHTS_FILE)
    digest = sha256(folder / WEIGHTS_FILE)
    classes = ("cat", "dog", "bird")
    config = ModelConfig("wrn16-ours", "cifar10", classes, 32, CIFAR10_NORMALIZATION, digest, templates=2)
    (folder / CONFIG_FILE).write_text(config.to_json())
    export_network(network, config, folder / ONNX_FILES["fp32"])
    return Package.open(folder)


def test_the_templates_of_classes_go_the_same_way(templates: Package, pixels: Pixels, photo_file: Path) -> None:
    legend = ["cat 1", "cat 2", "dog 1", "dog 2", "bird 1", "bird 2", "none"]
    parity = verify(templates, pixels)
    assert parity.passed
    assert list(parity.agreement) == ["logits", "patch_logits", "assignment", "templates"]
    with TestClient(create_app(Service(Settings(threads=1), [templates], predictor_of))) as client:
        [result] = send(client, "/patch-semantics", photo_file).raise_for_status().json()["results"]
        [found] = result["maps"]
        assert (found["name"], found["kind"], found["title"]) == ("templates", "class map", "Templates")
        assert found["legend"] == legend
        assert len(set(found["colours"])) == 7
        assert found["colours"][::2] == [class_colour(0), class_colour(1), class_colour(2), NONE_COLOUR]
        shares = np.array(found["values"])
        assert shares.shape == (7, 8, 8)
        for index, name in enumerate(("cat", "dog", "bird")):
            for row, column in np.ndindex(8, 8):
                share = {each["label"]: each["probability"] for each in result["patches"][row][column]["top"]}[name]
                assert shares[2 * index : 2 * index + 2, row, column].sum() == pytest.approx(share, abs=1e-5)
        [model] = client.get("/models").json()
        assert model["parameters"] == zoo.info("wrn16-ours").parameters(3, 2)
        url = f"/v2/models/{templates.config.name}"
        metadata = client.get(url).json()
        assert metadata["outputs"][3] == {"name": "templates", "datatype": "FP32", "shape": [-1, 7, 8, 8]}
        declared = json.loads(metadata["parameters"]["outputs"])[3]
        assert Output(**declared).labels(templates.config.classes) == tuple(legend)
        tensor = {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.ravel().tolist()}
        answer = client.post(f"{url}/infer", json={"inputs": [tensor], "outputs": [{"name": "templates"}]}).json()
        [output] = answer["outputs"]
        given = np.array(output["data"], np.float32).reshape(output["shape"])
        assert_alike(given, TorchPredictor.open(templates)(pixels)["templates"])


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on PATH")
def test_the_page_offers_it(package: Package, photo_file: Path) -> None:
    app = create_app(Service(Settings(threads=1), [package], predictor_of))
    with running(app) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(url)
        expect(page.locator("#model")).to_have_value(package.config.name)
        page.locator("#file").set_input_files(photo_file)
        expect(page.locator("#views")).to_contain_text("Contrast")
        best = drawn(page)
        page.get_by_text("Contrast", exact=True).click()
        values = drawn(page)[:, :, 3]
        assert (drawn(page) != best).any()
        assert (values.min(), values.max()) == (0, 255)
        page.get_by_text("Checker", exact=True).click()
        colours = drawn(page)
        assert len(np.unique(colours.reshape(-1, 4), axis=0)) == 2
        assert (colours[:, :, 3] == 255).all()
        page.locator(".seen").hover(position={"x": 5, "y": 5})
        expect(page.locator(".readout")).to_contain_text("Checker: even")
        browser.close()


def drawn(page: Any) -> np.ndarray:
    """The drawn map, [h, w, 4]."""
    rows, columns, values = page.locator(".cells").evaluate(
        "c => [c.height, c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
    )
    return np.array(values).reshape(rows, columns, 4)
