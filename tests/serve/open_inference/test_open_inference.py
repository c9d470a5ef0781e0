"""The Open Inference Protocol as bytes on the wire; `test_tritonclient.py` speaks it as NVIDIA's client does."""

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from support.serving import CONFIG, GatedPredictor, MakeClient

from zoo.hub import DEFAULT_MODEL

MODEL = f"/v2/models/{DEFAULT_MODEL}"
INFER = f"{MODEL}/infer"
LENGTH = "Inference-Header-Content-Length"
CLASSES = len(CONFIG.classes)
PIXELS = (np.arange(6144) % 251).astype(np.uint8).reshape(2, 3, 32, 32)
MEANS = PIXELS.mean(axis=(1, 2, 3)).astype(np.float32)


@pytest.fixture
def fake(make_client: MakeClient, predictor: GatedPredictor) -> TestClient:
    """Answers at once, with the mean of the pixels as the first logit."""
    return make_client(predictor, max_files=4)


def image(**changes: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "UINT8", "shape": [2, 3, 32, 32], "data": PIXELS.ravel().tolist()} | changes


def as_json(tensor: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {"inputs": [tensor or image()]} | rest


def as_bytes(data: bytes = PIXELS.tobytes(), size: int | None = None, **rest: Any) -> dict[str, Any]:
    """Arguments of a post with the pixels behind the JSON."""
    tensor = {"name": "image", "datatype": "UINT8", "shape": [2, 3, 32, 32]}
    tensor["parameters"] = {"binary_data_size": len(data) if size is None else size}
    text = json.dumps({"inputs": [tensor]} | rest).encode()
    return {"content": text + data, "headers": {LENGTH: str(len(text))}}


def problem(response: Any, status: int) -> str:
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    message = response.json()["error"]
    assert isinstance(message, str)
    return message


def outputs(response: Any) -> dict[str, Any]:
    """The outputs of an answer, by name; binary ones as bytes."""
    assert response.status_code == 200
    end = int(response.headers.get(LENGTH, len(response.content)))
    answer, rest = json.loads(response.content[:end]), response.content[end:]
    read = {}
    for output in answer["outputs"]:
        if "parameters" in output:
            size = output["parameters"]["binary_data_size"]
            output["data"], rest = rest[:size], rest[size:]
        read[output["name"]] = output
    assert not rest
    return read


def test_the_server_describes_itself(fake: TestClient) -> None:
    answer = fake.get("/v2").json()
    assert answer["name"] == "template-zoo"
    assert answer["version"]
    assert {"binary_tensor_data", "classification"} <= set(answer["extensions"])


def test_health(fake: TestClient) -> None:
    assert fake.get("/v2/health/live").json() == {"live": True}
    assert fake.get("/v2/health/ready").json() == {"ready": True}
    assert fake.get(f"{MODEL}/ready").json() == {"name": DEFAULT_MODEL, "ready": True}
    assert fake.get(f"{MODEL}/versions/1/ready").status_code == 200
    assert fake.post("/v2/repository/index").json() == [
        {"name": DEFAULT_MODEL, "version": "1", "state": "READY", "reason": ""}
    ]


def test_a_server_that_shuts_down_is_not_ready(fake: TestClient) -> None:
    fake.app_state["service"].draining = True
    assert fake.get("/v2/health/live").status_code == 200
    assert fake.get("/v2/health/ready").status_code == 503
    assert fake.get(f"{MODEL}/ready").status_code == 503
    assert [model["state"] for model in fake.post("/v2/repository/index").json()] == ["UNAVAILABLE"]
    assert fake.post("/v2/repository/index", json={"ready": True}).json() == []
    packed = gzip.compress(b'{"ready": true}')
    assert fake.post("/v2/repository/index", content=packed, headers={"Content-Encoding": "gzip"}).json() == []
    assert "shutting down" in problem(fake.post(INFER, json=as_json()), 503)


def test_a_model_describes_its_tensors(client: TestClient) -> None:
    answer = client.get(MODEL).json()
    assert client.get(f"{MODEL}/versions/1").json() == answer
    assert answer["name"] == DEFAULT_MODEL
    assert answer["versions"] == ["1"]
    assert answer["platform"] == "onnxruntime_onnx"
    assert answer["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 3, 32, 32]}]
    assert answer["outputs"] == [
        {"name": "logits", "datatype": "FP32", "shape": [-1, CLASSES]},
        {"name": "patch_logits", "datatype": "FP32", "shape": [-1, CLASSES, 8, 8]},
        {"name": "assignment", "datatype": "FP32", "shape": [-1, CLASSES + 1, 8, 8]},
    ]
    assert json.loads(answer["parameters"]["classes"]) == list(CONFIG.classes)
    assert json.loads(answer["parameters"]["outputs"])[2] == {
        "name": "assignment",
        "kind": "class map",
        "title": "Assignment",
        "legend": "classes and none",
    }


def test_the_configuration_has_shapes_without_the_batch(client: TestClient) -> None:
    answer = client.get(f"{MODEL}/config").json()
    assert answer["max_batch_size"] == 32
    assert answer["input"] == [{"name": "image", "data_type": "TYPE_UINT8", "dims": [3, 32, 32]}]
    assert answer["output"][2] == {"name": "assignment", "data_type": "TYPE_FP32", "dims": [CLASSES + 1, 8, 8]}


def test_a_variant_names_its_only_model(fake: TestClient) -> None:
    assert fake.get("/v2/models/wrn16-ours").json()["name"] == DEFAULT_MODEL
    answer = fake.post("/v2/models/wrn16-ours/versions/1/infer", json=as_json()).json()
    assert answer["model_name"] == DEFAULT_MODEL
    assert "'wrn16'" in problem(fake.get("/v2/models/wrn16"), 404)


def test_a_model_that_is_not_loaded_describes_its_tensors_too(fake: TestClient) -> None:
    assert fake.get(MODEL).json()["outputs"][1]["shape"] == [-1, CLASSES, 8, 8]


def test_pixels_in_json(fake: TestClient) -> None:
    response = fake.post(INFER, json=as_json(id="seven"))
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (DEFAULT_MODEL, "1", "seven")
    assert response.headers["content-type"] == "application/json"
    assert LENGTH not in response.headers
    read = outputs(response)
    assert list(read) == ["logits", "patch_logits", "assignment"]
    assert (read["logits"]["datatype"], read["logits"]["shape"]) == ("FP32", [2, CLASSES])
    assert read["assignment"]["shape"] == [2, CLASSES + 1, 2, 2]
    logits = np.array(read["logits"]["data"], np.float32).reshape(2, CLASSES)
    assert logits[:, 0].tolist() == MEANS.tolist()


def test_pixels_as_bytes(fake: TestClient) -> None:
    response = fake.post(f"{MODEL}/versions/1/infer", **as_bytes())
    assert "id" not in response.json()
    assert outputs(response) == outputs(fake.post(INFER, json=as_json()))


def test_each_output_has_the_form_that_was_asked_for(fake: TestClient) -> None:
    wanted = [{"name": "assignment"}, {"name": "logits", "parameters": {"binary_data": False}}]
    response = fake.post(INFER, **as_bytes(outputs=wanted, parameters={"binary_data_output": True}))
    assert response.headers["content-type"] == "application/octet-stream"
    read = outputs(response)
    assert list(read) == ["assignment", "logits"]
    shares = np.frombuffer(read["assignment"]["data"], "<f4").reshape(read["assignment"]["shape"])
    assert shares.shape == (2, CLASSES + 1, 2, 2)
    np.testing.assert_allclose(shares, 1 / (CLASSES + 1), rtol=1e-6)
    assert read["logits"]["data"][0] == MEANS[0]


def test_classification_names_the_best_classes(fake: TestClient) -> None:
    parameters = {"classification": 2}
    in_json = outputs(fake.post(INFER, json=as_json(outputs=[{"name": "logits", "parameters": parameters}])))["logits"]
    assert (in_json["datatype"], in_json["shape"]) == ("BYTES", [2, 2])
    first, second = CONFIG.classes[:2]
    assert in_json["data"][:2] == [f"{MEANS[0]:f}:0:{first}", f"0.000000:1:{second}"]
    wanted = [{"name": "logits", "parameters": parameters | {"binary_data": True}}]
    data = outputs(fake.post(INFER, json=as_json(outputs=wanted)))["logits"]["data"]
    packed = (struct.pack("<I", len(text)) + text.encode() for text in in_json["data"])
    assert data == b"".join(packed)


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("Deflate", zlib.compress)])
def test_a_compressed_request(fake: TestClient, coding: str, compress: Callable[[bytes], bytes]) -> None:
    asked = as_bytes()
    asked["content"] = compress(asked["content"])
    asked["headers"]["Content-Encoding"] = coding
    assert outputs(fake.post(INFER, **asked))["logits"]["data"][0] == MEANS[0]


def test_a_compressed_request_above_the_limit(make_client: MakeClient, predictor: GatedPredictor) -> None:
    client = make_client(predictor, max_body_bytes=100_000)
    body = gzip.compress(bytes(50_000_000))
    assert len(body) < 100_000
    message = problem(client.post(INFER, content=body, headers={"Content-Encoding": "gzip"}), 413)
    assert "above the limit of 100000 bytes" in message
    assert "above the limit of 100000" in problem(client.post(INFER, content=bytes(200_000)), 413)


@pytest.mark.parametrize("accept", ["gzip", "deflate", "identity"])
def test_a_compressed_answer(fake: TestClient, accept: str) -> None:
    response = fake.post(INFER, json=as_json(), headers={"Accept-Encoding": accept})
    assert response.headers.get("content-encoding", "identity") == accept
    assert response.headers["vary"] == "Accept-Encoding"
    assert outputs(response)["logits"]["data"][0] == MEANS[0]


def test_a_wrong_request_is_not_computed(fake: TestClient, predictor: GatedPredictor) -> None:
    assert "must be UINT8" in problem(fake.post(INFER, json=as_json(image(datatype="FP32"))), 422)
    assert "are not valid JSON" in problem(fake.post(INFER, content=b"pixels"), 422)
    assert "binary_data_size = 9, but" in problem(fake.post(INFER, **as_bytes(size=9)), 422)
    assert "Content-Encoding: br is not supported" in problem(fake.post(INFER, headers={"Content-Encoding": "br"}), 415)
    assert predictor.batches == []


def test_an_answer_that_comes_too_late(fake: TestClient, predictor: GatedPredictor) -> None:
    predictor.gate.clear()
    assert "deadline" in problem(fake.post(INFER, json=as_json(parameters={"timeout": 50_000})), 504)
    assert "deadline" in problem(fake.post(INFER, json=as_json(), headers={"X-Request-Timeout-Ms": "50"}), 504)


def test_images_count_for_the_queue(make_client: MakeClient, predictor: GatedPredictor) -> None:
    client = make_client(predictor, max_queue=1, max_files=1)
    service = client.app_state["service"]
    with service.admission.enter() as reservation:
        reservation.add(items=1)
        response = client.post(INFER, **as_bytes(PIXELS[:1].tobytes()))
    assert "(limit 1)" in problem(response, 429)
    assert response.headers["retry-after"] == "1"


def test_errors_outside_of_inference_have_the_same_form(fake: TestClient, predictor: GatedPredictor) -> None:
    assert f"did you mean {DEFAULT_MODEL}?" in problem(fake.get(MODEL[:-1]), 404)
    assert f"unknown version of {DEFAULT_MODEL} '2'; available: 1" in problem(fake.get(f"{MODEL}/versions/2"), 404)
    assert "unknown path /v2/no/such/path" in problem(fake.get("/v2/no/such/path"), 404)
    assert problem(fake.get(INFER), 405)
    assert "'full'; available: none" in problem(fake.post(f"{INFER}?full=1", json=as_json()), 422)
    assert "ready = 'often'" in problem(fake.post("/v2/repository/index", json={"ready": "often"}), 422)
    predictor.error = RuntimeError("/secret/path")
    assert "secret" not in problem(fake.post(INFER, json=as_json()), 500)
