"""The endpoints as a client sees them, with the bundled model."""

import gzip
import io
import json
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel
from starlette.testclient import TestClient
from support.serving import CONFIG, GatedPredictor, MakeClient, encoded, send
from support.whole_images import FORMATS

from serve.schemas import ClassifyAnswer, PatchSemanticsAnswer
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.decode import decode_pixels
from zoo.predictors.torch import TorchPredictor
from zoo.registry import info

CLASSES = len(CONFIG.classes)


def test_classify_says_what_is_in_a_photograph(client: TestClient, photo_file: Path) -> None:
    answer = send(client, "/classify", photo_file).json()
    [result] = answer["results"]
    assert result["file"] == "cat.jpg"
    assert result["image"] == {"width": 451, "height": 300}
    assert result["box"] == [75.5, 0, 375.5, 300]
    assert result["classes"][0]["label"] == "cat"
    assert len(result["classes"]) == 5
    assert answer["model"]["name"] == DEFAULT_MODEL
    assert answer["model"]["weights_sha256"] == CONFIG.weights_sha256
    assert answer["timing"]["batch"] == 1
    assert answer["timing"]["queue_ms"] >= 0
    assert answer["timing"]["compute_ms"] > 0


@pytest.mark.parametrize(("path", "kind"), [("/classify", ClassifyAnswer), ("/patch-semantics", PatchSemanticsAnswer)])
def test_an_answer_is_what_the_schema_says(
    client: TestClient, photo_file: Path, path: str, kind: type[BaseModel]
) -> None:
    answer = send(client, path, photo_file).content
    assert kind.model_validate_json(answer).model_dump_json(exclude_unset=True).encode() == answer


def test_classify_answers_as_the_network_does(client: TestClient, photo_file: Path) -> None:
    pixels = decode_pixels(photo_file.read_bytes(), CONFIG.input_size).pixels
    logits = TorchPredictor.open(open_model(DEFAULT_MODEL))(pixels[None]).logits[0].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum()
    [result] = send(client, "/classify", photo_file, params={"top_k": CLASSES}).json()["results"]
    for entry in result["classes"]:
        assert entry["probability"] == pytest.approx(expected[CONFIG.classes.index(entry["label"])], abs=1e-5)
    assert sum(entry["probability"] for entry in result["classes"]) == pytest.approx(1, abs=1e-5)


def test_a_raw_body_is_a_image_too(client: TestClient, photo_file: Path) -> None:
    raw = client.post("/classify", content=photo_file.read_bytes(), headers={"Content-Type": "image/jpeg"}).json()
    form = send(client, "/classify", photo_file).json()
    assert raw["results"][0]["classes"] == form["results"][0]["classes"]


@pytest.mark.parametrize(
    "content_type", ["", "application/x-www-form-urlencoded", "application/octet-stream", "image/png", "text/plain"]
)
def test_a_raw_body_is_recognised_by_its_content(client: TestClient, photo_file: Path, content_type: str) -> None:
    for kind in FORMATS:
        data = encoded(Image.open(photo_file).convert("RGB"), kind)
        response = client.post(
            "/classify", content=data, headers={"Content-Type": content_type} if content_type else {}
        )
        assert response.json()["results"][0]["file"] == "body"


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_decoded(
    client: TestClient, photo_file: Path, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    plain = send(client, "/classify", photo_file).request
    for data, content_type in (
        (photo_file.read_bytes(), "image/jpeg"),
        (plain.read(), plain.headers["content-type"]),
    ):
        headers = {"Content-Type": content_type, "Content-Encoding": coding}
        response = client.post("/classify", content=compress(data), headers=headers)
        assert response.json()["results"][0]["classes"][0]["label"] == "cat"


def test_several_images_are_answered_in_order(client: TestClient, photo_file: Path) -> None:
    black = ("black.png", encoded(Image.new("RGB", (64, 64))))
    answer = send(client, "/classify", photo_file, black, photo_file).json()
    assert [result["file"] for result in answer["results"]] == ["cat.jpg", "black.png", "cat.jpg"]
    first, middle, last = (result["classes"] for result in answer["results"])
    assert first == last != middle
    assert answer["timing"]["batch"] == 3


def test_patch_semantics_describes_each_patch(client: TestClient, photo_file: Path) -> None:
    [result] = send(client, "/patch-semantics", photo_file, params={"top_k": CLASSES}).json()["results"]
    assert result["grid"] == {"rows": 8, "columns": 8}
    assert result["source"] == "semantic block"
    assert [len(row) for row in result["patches"]] == [8] * 8
    for row in result["patches"]:
        for patch in row:
            assert patch["top"][0] == {"label": patch["label"], "probability": patch["probability"]}
            assert patch["none"] + sum(entry["probability"] for entry in patch["top"]) == pytest.approx(1, abs=1e-5)
    assert result["patches"][4][4]["label"] == "cat"


def test_patch_semantics_as_an_array_holds_the_same_numbers(client: TestClient, photo_file: Path) -> None:
    [described] = send(client, "/patch-semantics", photo_file).json()["results"]
    response = send(client, "/patch-semantics", photo_file, photo_file, headers={"Accept": "application/x-npy"})
    assert response.headers["content-type"] == "application/x-npy"
    shares = np.load(io.BytesIO(response.content), allow_pickle=False)
    assert shares.shape == (2, CLASSES + 1, 8, 8)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    patch = described["patches"][2][5]
    assert shares[0, CONFIG.classes.index(patch["label"]), 2, 5] == pytest.approx(patch["probability"], abs=1e-6)
    assert shares[0, -1, 2, 5] == pytest.approx(patch["none"], abs=1e-6)


def test_patch_semantics_as_a_image(client: TestClient, photo_file: Path) -> None:
    response = send(client, "/patch-semantics", photo_file, headers={"Accept": "image/png"})
    assert response.headers["content-type"] == "image/png"
    assert json.loads(response.headers["x-boxes"]) == [[75.5, 0, 375.5, 300]]
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.format == "PNG"
        assert image.height >= 512
        assert image.width > image.height


def test_a_image_shows_one_file_only(client: TestClient, photo_file: Path) -> None:
    response = send(client, "/patch-semantics", photo_file, photo_file, headers={"Accept": "image/png"})
    assert response.status_code == 413
    assert "the limit of 1" in response.json()["error"]["message"]


def test_models_describes_what_is_served(client: TestClient) -> None:
    [model] = client.get("/models").json()
    assert model["default"] is True
    assert model["name"] == DEFAULT_MODEL
    assert model["classes"] == list(CONFIG.classes)
    assert model["parameters"] == info(CONFIG.variant).parameters(CLASSES)
    assert model["device"] == "ONNX Runtime on the CPU"
    proof = model["parity"]["fp32"]["CPUExecutionProvider"]
    assert proof["passed"] is True
    assert (model["precision"], model["execution"]) == ("fp32", "fp32")
    assert proof["onnx_sha256"] == model["onnx_sha256"]
    assert proof["weights_sha256"] == model["weights_sha256"]
    assert model["metrics"]["test"]["torch"]["images"] == 10_000


def test_a_model_can_be_named(client: TestClient, photo_file: Path) -> None:
    for name in (DEFAULT_MODEL, "wrn16-ours"):
        answer = send(client, "/classify", photo_file, params={"model": name})
        assert answer.json()["model"]["name"] == DEFAULT_MODEL


def test_probes_and_documentation(client: TestClient) -> None:
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").text == "ready\n"
    assert client.get("/docs").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/classify", "/patch-semantics", "/models", "/healthz", "/readyz", "/metrics"} <= set(paths)
    body = paths["/classify"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/jpeg", "image/png"} <= set(body)


def test_metrics_count_requests_and_batches(client: TestClient, photo_file: Path) -> None:
    send(client, "/classify", photo_file, photo_file)
    send(client, "/classify", ("text.png", b"text"))
    client.get("/no/such/path")
    deadline = time.monotonic() + 5
    computed = f'zoo_batch_images_sum{{model="{DEFAULT_MODEL}"}} 2.0'
    while computed not in (text := client.get("/metrics").text) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert f'zoo_requests_total{{code="200",model="{DEFAULT_MODEL}",route="/classify"}} 1.0' in text
    assert f'zoo_requests_total{{code="415",model="{DEFAULT_MODEL}",route="/classify"}} 1.0' in text
    assert 'zoo_requests_total{code="404",model="",route="other"} 1.0' in text
    assert computed in text
    assert f'zoo_waiting_images{{model="{DEFAULT_MODEL}"}} 0.0' in text


def test_requests_at_the_same_time_share_a_batch(make_client: MakeClient, predictor: GatedPredictor) -> None:
    client = make_client(predictor, max_batch=2)
    image = ("grey.png", encoded(Image.new("RGB", (32, 32), (9, 9, 9))))
    predictor.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(send, client, "/classify", image)]
        assert predictor.entered.wait(10)
        answers += [pool.submit(send, client, "/classify", image) for _ in range(2)]
        [model] = client.app_state["service"].models.values()
        while model.loaded.batcher.depth < 2:
            time.sleep(0.001)
        predictor.gate.set()
        assert [answer.result().json()["timing"]["batch"] for answer in answers] == [1, 2, 2]
    assert predictor.batches == [1, 2]


def test_batched_answers_are_those_of_single_images(client: TestClient, photo_file: Path) -> None:
    photo = Image.open(photo_file).convert("RGB")
    images = [(f"{side}.png", encoded(photo.crop((0, 0, side, side)))) for side in range(40, 300, 20)]
    accept = {"Accept": "application/x-npy"}
    together = np.load(io.BytesIO(send(client, "/patch-semantics", *images, headers=accept).content))
    alone = [send(client, "/patch-semantics", image, headers=accept).content for image in images]
    np.testing.assert_allclose(together, np.concatenate([np.load(io.BytesIO(each)) for each in alone]), atol=1e-5)
