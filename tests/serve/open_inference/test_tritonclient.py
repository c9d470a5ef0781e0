"""NVIDIA's client, as it comes from PyPI, against a real server."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from support.closeness import assert_alike
from support.serving import running
from tritonclient.utils import InferenceServerException

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import open_model
from zoo.outputs import STANDARD
from zoo.package import Package
from zoo.predictors import Prediction
from zoo.predictors.onnx import OnnxPredictor

PACKAGE = open_model("wrn16-ours")
NAME, CLASSES = PACKAGE.config.name, PACKAGE.config.classes
OUTPUTS = [output.name for output in STANDARD]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)

COMPRESSED = pytest.mark.parametrize(
    "compression",
    [
        {},
        {"request_compression_algorithm": "gzip"},
        {"response_compression_algorithm": "gzip"},
        {"request_compression_algorithm": "deflate", "response_compression_algorithm": "deflate"},
    ],
    ids=["plain", "gzip request", "gzip answer", "deflate"],
)


def predictor_of(package: Package) -> OnnxPredictor:
    return OnnxPredictor.open(package, "cpu", threads=1)


@pytest.fixture(scope="module")
def expected() -> Prediction:
    return predictor_of(PACKAGE)(PIXELS)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Host and port of a server."""
    with running(create_app(Service(replace(Settings(), threads=1), [PACKAGE], predictor_of))) as url:
        yield url.removeprefix("http://")


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as client:
        yield client


def image(binary: bool = True, pixels: np.ndarray = PIXELS) -> list[triton.InferInput]:
    tensor = triton.InferInput("image", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=binary)
    return [tensor]


def check(result: Any, expected: Prediction) -> None:
    for name in OUTPUTS:
        np.testing.assert_array_equal(result.as_numpy(name), expected[name], strict=True)


def test_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert not client.is_model_ready(NAME, "2")
    assert client.get_server_metadata()["name"] == "template-zoo"
    assert [tensor["name"] for tensor in client.get_model_metadata(NAME)["outputs"]] == OUTPUTS
    assert client.get_model_config(NAME, "1")["max_batch_size"] == 32
    assert [model["name"] for model in client.get_model_repository_index()] == [NAME]


@COMPRESSED
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_the_answer_is_the_predictor_s_to_the_bit(
    client: triton.InferenceServerClient, expected: Prediction, binary: bool, compression: dict[str, str]
) -> None:
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in OUTPUTS]
    check(client.infer(NAME, image(binary), outputs=wanted, request_id="7", **compression), expected)


def test_all_outputs_where_none_is_named(client: triton.InferenceServerClient, expected: Prediction) -> None:
    result = client.infer(NAME, image(), model_version="1", request_id="7", timeout=5_000_000)
    assert result.get_response()["id"] == "7"
    check(result, expected)


@pytest.mark.parametrize("binary", [True, False])
def test_classification(client: triton.InferenceServerClient, expected: Prediction, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("logits", binary_data=binary, class_count=2)]
    labels = client.infer(NAME, image(), outputs=wanted).as_numpy("logits")
    assert labels.shape == (3, 2)
    for row, logits in zip(labels, expected.logits, strict=True):
        for label, index in zip(row, np.argsort(-logits)[:2], strict=True):
            text = label.decode() if isinstance(label, bytes) else label
            assert text == f"{logits[index]:f}:{index}:{CLASSES[index]}"


def test_several_requests_on_their_way(address: str) -> None:
    with triton.InferenceServerClient(address, concurrency=4) as client:
        pending = [client.async_infer(NAME, image(pixels=PIXELS[index % 3][None])) for index in range(12)]
        results = [request.get_result().as_numpy("logits") for request in pending]
    for index, logits in enumerate(results):
        assert_alike([logits], [results[index % 3]])


def test_an_error_is_one_for_the_client_too(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=f"did you mean {NAME}") as problem:
        client.infer(NAME[:-1], image())
    assert problem.value.status() == "404"
    with pytest.raises(InferenceServerException, match=r"\[N, 3, 32, 32\] with N from 1 to 32"):
        client.infer(NAME, image(pixels=np.zeros((33, 3, 32, 32), np.uint8)))


@COMPRESSED
def test_with_asyncio(address: str, expected: Prediction, compression: dict[str, str]) -> None:
    async def ask() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_model_ready(NAME)
            assert (await client.get_model_metadata(NAME))["name"] == NAME
            assert [model["name"] for model in await client.get_model_repository_index()] == [NAME]
            check(await client.infer(NAME, image(), **compression), expected)
            with pytest.raises(InferenceServerException, match="unknown input 'pixels'"):
                await client.infer(NAME, [triton.InferInput("pixels", [1], "UINT8")])

    asyncio.run(ask())
