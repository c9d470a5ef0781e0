"""`POST /embed`, and the embedding by the Open Inference Protocol, as each client sees them."""

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from starlette.testclient import TestClient
from support.closeness import assert_alike
from support.images import coloured
from support.onnx_files import copy_under_name, with_embedding
from support.serving import running, send

import zoo
from serve.app import create_app
from serve.client import AsyncClient, Client, ServerError
from serve.http.answers import embed_answer
from serve.inference.batcher import BatchTiming
from serve.inference.decoding import DecodedImage
from serve.inference.models import ServedModel
from serve.inference.service import Result, Service
from serve.schemas import EmbedAnswer
from serve.settings import Settings
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.outputs import Array
from zoo.package import Package
from zoo.predictors import Prediction
from zoo.predictors.onnx import OnnxPredictor

BUNDLED = open_model(DEFAULT_MODEL)
OLD = "wrn16-ours.pets"
"""Name of a served model whose ONNX file, as the bundled one from an earlier version, has no embedding."""

NPY = {"Accept": "application/x-npy"}


def predictor_of(package: Package) -> OnnxPredictor:
    return OnnxPredictor.open(package, "cpu", threads=1)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a model with an embedding, and of one without."""
    folder = tmp_path_factory.mktemp("models")
    new, old = with_embedding(BUNDLED, folder / DEFAULT_MODEL), copy_under_name(BUNDLED, folder / OLD, "pets")
    settings = replace(Settings(), threads=1, max_files=4)
    with running(create_app(Service(settings, [new, old], predictor_of))) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[TestClient]:
    import httpx2

    with httpx2.Client(base_url=url) as client:
        yield client


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, photo: bytes) -> list[Path]:
    """More images than a request may have."""
    folder = tmp_path_factory.mktemp("files")
    contents = [photo, *(coloured(number) for number in range(5))]
    for number, content in enumerate(contents):
        (folder / f"{number}.png").write_bytes(content)
    return [folder / f"{number}.png" for number in range(len(contents))]


@pytest.fixture(scope="module")
def expected(files: list[Path]) -> Array:
    """The embeddings of the files, from PyTorch."""
    network = zoo.load(DEFAULT_MODEL)
    features = network.forward_features(network.pixels(files))
    return network.forward_head(features, pre_logits=True).detach().numpy()


def test_json(client: TestClient, files: list[Path], expected: Array) -> None:
    answer = send(client, "/embed", *files[:3]).raise_for_status().json()
    assert answer["model"]["name"] == DEFAULT_MODEL
    assert [result["file"] for result in answer["results"]] == [file.name for file in files[:3]]
    assert answer["results"][0]["box"] == [75.5, 0, 375.5, 300]
    found = np.array([result["embedding"] for result in answer["results"]], np.float32)
    assert_alike([found], [expected[:3]])
    assert EmbedAnswer.model_validate(answer).timing.batch >= 1


def test_the_example_of_the_document_has_its_form(client: TestClient, files: list[Path]) -> None:
    content = client.get("/openapi.json").json()["paths"]["/embed"]["post"]["responses"]["200"]["content"]
    example, answer = content["application/json"]["example"], send(client, "/embed", files[0]).json()
    assert EmbedAnswer.model_validate(example).model_dump(exclude_unset=True).keys() == answer.keys()
    assert example["results"][0].keys() == answer["results"][0].keys()


def test_an_array(client: TestClient, files: list[Path], expected: Array) -> None:
    answer = send(client, "/embed", *files[:3], headers=NPY).raise_for_status()
    assert answer.headers["Content-Type"] == "application/x-npy"
    assert json.loads(answer.headers["X-Boxes"])[0] == [75.5, 0, 375.5, 300]
    found = np.load(io.BytesIO(answer.content))
    assert found.dtype == np.float32
    assert_alike([found], [expected[:3]])


def test_the_bytes_of_an_image(client: TestClient, photo: bytes, expected: Array) -> None:
    answer = client.post("/embed", content=photo, headers=NPY | {"Content-Type": "image/jpeg"}).raise_for_status()
    assert_alike([np.load(io.BytesIO(answer.content))], [expected[:1]])


def test_the_classifier_makes_class_logits_of_it(client: TestClient, files: list[Path]) -> None:
    [result] = send(client, "/embed", files[0]).json()["results"]
    [answer] = send(client, "/classify", files[0], params={"top_k": 10}).json()["results"]
    classifier = zoo.load(DEFAULT_MODEL).classifier
    logits = np.array(result["embedding"]) @ classifier.weight.detach().numpy().T + classifier.bias.detach().numpy()
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert [each["probability"] for each in answer["classes"]] == pytest.approx(sorted(shares)[::-1], abs=1e-4)


def test_a_model_without_it_names_the_remedy(client: TestClient, files: list[Path]) -> None:
    for headers in ({}, NPY):
        answer = send(client, "/embed", files[0], params={"model": OLD}, headers=headers)
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert error["code"] == "no_embedding"
        assert f"`zoo export {OLD}`" in error["message"]
    # All else that it is asked is answered.
    assert send(client, "/classify", files[0], params={"model": OLD}).status_code == 200


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"headers": {"Accept": "image/png"}}, 406, "not_acceptable"),
        ({"params": {"model": "wrn17"}}, 404, "unknown_name"),
        ({"params": {"top_k": 3}}, 422, "unknown_parameter"),
    ],
)
def test_what_it_does_not_offer(client: TestClient, files: list[Path], options: dict, status: int, code: str) -> None:
    answer = send(client, "/embed", files[0], **options)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_image_that_cannot_be_read_is_named(client: TestClient, files: list[Path]) -> None:
    answer = send(client, "/embed", files[0], ("notes.png", b"text"))
    assert answer.status_code == 415
    assert "notes.png" in answer.json()["error"]["message"]


def test_models_say_its_size_and_metrics_count_it(client: TestClient, files: list[Path]) -> None:
    send(client, "/embed", files[0]).raise_for_status()
    sizes = {model["name"]: model["embedding_size"] for model in client.get("/models").json()}
    assert sizes == {DEFAULT_MODEL: 128, OLD: None}
    counted = f'zoo_requests_total{{code="200",model="{DEFAULT_MODEL}",route="/embed"}}'
    assert counted in client.get("/metrics").text


def test_numbers_that_are_not_finite_are_null() -> None:
    model = ServedModel(BUNDLED)
    image = DecodedImage("cat.png", 1, 1, np.zeros((3, 32, 32), np.uint8), (0, 0, 1, 1), None)
    result = Result([image], Prediction((), ()), BatchTiming(0, 0, 1))
    answer = embed_answer(model, result, np.array([[0.5, np.nan, np.inf]], np.float32))
    assert EmbedAnswer.model_validate_json(answer).results[0].embedding == [0.5, None, None]


def test_the_client_joins_requests(url: str, files: list[Path], expected: Array) -> None:
    with Client(url) as client:
        assert_alike([client.embed(*files)], [expected])
        with pytest.raises(ServerError, match="zoo export") as problem:
            client.embed(files[0], model=OLD)
        assert problem.value.code == "no_embedding"

    async def ask() -> Array:
        async with AsyncClient(url) as client:
            return await client.embed(*files)

    assert_alike([asyncio.run(ask())], [expected])


def test_tritonclient_requests_it(url: str, files: list[Path], expected: Array) -> None:
    pixels = zoo.load(DEFAULT_MODEL).pixels(files[:3]).numpy()
    tensor = triton.InferInput("image", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels)
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        outputs = client.get_model_metadata(DEFAULT_MODEL)["outputs"]
        assert {"name": "embedding", "datatype": "FP32", "shape": [-1, 128]} in outputs
        wanted = [triton.InferRequestedOutput("embedding")]
        assert_alike([client.infer(DEFAULT_MODEL, [tensor], outputs=wanted).as_numpy("embedding")], [expected[:3]])
        assert "embedding" not in {output["name"] for output in client.get_model_metadata(OLD)["outputs"]}


def test_the_openapi_document_describes_it(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/embed"]["post"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "application/x-npy"}
    assert [each["name"] for each in operation["parameters"] if each["in"] == "query"] == ["model"]
    assert "embedding" in document["components"]["schemas"]["Embedding"]["properties"]
