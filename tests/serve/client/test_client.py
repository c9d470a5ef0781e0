"""The Python client: against a real server, and against one whose answers a test chooses."""

import asyncio
import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from support.serving import CONFIG, GatedPredictor, running

from serve.app import create_app
from serve.client import AsyncClient, Client, NoAnswerError, ServerError
from serve.client.parts import MAX_BYTES
from serve.client.retry import FIRST_BACKOFF, MAX_BACKOFF, retry_after
from serve.inference.service import Service
from serve.settings import Settings
from zoo.errors import InputError
from zoo.hub import DEFAULT_MODEL, open_model

ROOT = Path(__file__).parents[3]
GREY = Image.new("RGB", (32, 32), (9, 9, 9))

Answer = httpx2.Response | Exception
Script = Callable[..., Client]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    service = Service(replace(Settings(), max_files=3), [open_model(DEFAULT_MODEL)], lambda package: GatedPredictor())
    with running(create_app(service)) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries; none is made."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    return pauses


class Scripted:
    """Gives one answer after the other, and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: object) -> Client:
        return Client("http://server", transport=httpx2.MockTransport(self), **options)


def models() -> httpx2.Response:
    return httpx2.Response(200, json=[])


def busy(status: int = 429, **headers: str) -> httpx2.Response:
    problem = {"error": {"code": "queue_full", "message": "try again"}}
    return httpx2.Response(
        status, json=problem, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def test_classify(client: Client, photo_file: Path) -> None:
    answer = client.classify(photo_file, str(photo_file), photo_file.read_bytes(), model=DEFAULT_MODEL, top_k=2)
    assert answer.model.name == DEFAULT_MODEL
    assert [result.file for result in answer.results] == ["cat.jpg", "cat.jpg", "image 3"]
    assert {len(result.classes) for result in answer.results} == {2}
    assert answer.results[0] == answer.results[1]
    assert answer.results[2].classes == answer.results[0].classes


def test_an_image_in_memory_loses_nothing(client: Client) -> None:
    pixels = np.random.default_rng(0).integers(0, 4, (32, 32, 3), dtype=np.uint8)
    [result] = client.classify(Image.fromarray(pixels), top_k=1).results
    # The predictor's first logit is the mean of the pixels, the others are 0.
    assert result.classes[0].probability == pytest.approx(1 / (1 + (len(CONFIG.classes) - 1) * np.exp(-pixels.mean())))


def test_patch_semantics(client: Client) -> None:
    [result] = client.patch_semantics(GREY, top_k=1).results
    assert (result.grid.rows, result.grid.columns) == (2, 2)
    assert len(result.patches[0][0].top) == 1
    shares = client.shares(GREY, GREY)
    assert shares.shape == (2, len(CONFIG.classes) + 1, 2, 2)
    assert shares[0, -1, 0, 0] == pytest.approx(result.patches[0][0].none)
    with Image.open(io.BytesIO(client.semantic_map(GREY))) as drawn:
        assert drawn.format == "PNG"


def test_occlusion(client: Client) -> None:
    [result] = client.occlusion(GREY, label=CONFIG.classes[0]).results
    assert (result.label, result.logit) == (CONFIG.classes[0], 9)
    assert result.drops == [[0, 0], [0, 0]]


def test_a_variant_names_its_only_model(client: Client) -> None:
    assert client.classify(GREY, model="wrn16-ours").model.name == DEFAULT_MODEL


def test_models_and_readiness(client: Client) -> None:
    [model] = client.models()
    assert (model.name, model.classes) == (DEFAULT_MODEL, list(CONFIG.classes))
    assert client.ready()


def test_with_asyncio(url: str, client: Client, photo_file: Path) -> None:
    async def ask() -> None:
        async with AsyncClient(url) as same:
            assert (await same.classify(photo_file, GREY)).results == client.classify(photo_file, GREY).results
            assert (await same.patch_semantics(GREY)).results == client.patch_semantics(GREY).results
            np.testing.assert_array_equal(await same.shares(GREY), client.shares(GREY))
            assert await same.semantic_map(GREY) == client.semantic_map(GREY)
            assert (await same.occlusion(GREY)).results == client.occlusion(GREY).results
            assert await same.models() == client.models()
            assert await same.ready()
            with pytest.raises(ServerError, match="top_k = 0"):
                await same.classify(GREY, top_k=0)

    asyncio.run(ask())


def test_what_the_server_refuses(client: Client) -> None:
    with pytest.raises(ServerError, match=f"did you mean {DEFAULT_MODEL}") as refused:
        client.classify(GREY, model=DEFAULT_MODEL[:-1])
    assert (refused.value.status, refused.value.code) == (404, "unknown_name")
    assert DEFAULT_MODEL[:-1] in refused.value.message
    with pytest.raises(ServerError, match="has no image"):
        client.classify()
    with pytest.raises(ServerError, match="image 1: ") as broken:
        client.classify(b"text")
    assert broken.value.status == 415
    with pytest.raises(FileNotFoundError):
        client.classify("no-such-file.jpg")


def greys(count: int) -> list[Image.Image]:
    """Images that can be told apart."""
    return [Image.new("RGB", (32, 32), (value, value, value)) for value in range(count)]


def test_more_images_than_a_request_may_have(client: Client) -> None:
    images = greys(40)  # the server takes 3 at once
    together = client.classify(*images)
    assert [result.file for result in together.results] == [f"image {number}" for number in range(1, 41)]
    alone = [client.classify(image).results[0] for image in images]
    assert [result.classes for result in together.results] == [result.classes for result in alone]
    assert together.timing.batch <= 3
    assert len(client.patch_semantics(*images[:7]).results) == 7
    assert client.shares(*images[:7]).shape == (7, len(CONFIG.classes) + 1, 2, 2)


def test_more_images_with_asyncio(url: str, client: Client) -> None:
    async def ask() -> None:
        async with AsyncClient(url) as same:
            assert (await same.classify(*greys(7))).results == client.classify(*greys(7)).results

    asyncio.run(ask())


def too_large(code: str = "too_many_files") -> httpx2.Response:
    return httpx2.Response(413, json={"error": {"code": code, "message": "send fewer"}})


def array(count: int) -> httpx2.Response:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((count, 2), np.float32))
    return httpx2.Response(200, content=buffer.getvalue())


def counts(script: Scripted) -> list[int]:
    """How many images each request had."""
    return [request.content.count(b"Content-Disposition") for request in script.requests]


@pytest.mark.parametrize(
    "refusal", [too_large(), too_large("body_too_large"), httpx2.Response(413, text="<h1>413 from a proxy</h1>")]
)
def test_what_is_too_large_is_halved(refusal: httpx2.Response) -> None:
    script = Scripted(array(32), refusal, array(4), array(3), array(1))
    assert script.client().shares(*[b"x"] * 39 + [b"x" * MAX_BYTES]).shape == (40, 2)
    assert counts(script) == [32, 7, 4, 3, 1]


def test_the_rest_is_not_sent_too_large_again() -> None:
    script = Scripted(too_large(), array(16), array(16), array(16), array(16))
    assert len(script.client().shares(*[b"x"] * 64)) == 64
    assert counts(script) == [32, 16, 16, 16, 16]


def test_an_image_that_is_too_large_is_an_error() -> None:
    for script in (
        Scripted(too_large("image_too_large")),
        Scripted(too_large(), array(1), too_large("body_too_large")),
    ):
        with pytest.raises(ServerError) as error:
            script.client().shares(b"x", b"x")
        assert error.value.status == 413
        assert script.answers == []


def test_a_missing_file_is_an_error_before_anything_is_sent() -> None:
    script = Scripted()
    with pytest.raises(FileNotFoundError):
        script.client().classify(*[GREY] * 50, "no-such-file.jpg")
    assert script.requests == []


def test_answers_of_two_models_are_not_joined(client: Client) -> None:
    answer = client.classify(GREY)
    other = answer.model_copy(update={"model": answer.model.model_copy(update={"weights_sha256": "0" * 64})})
    script = Scripted(*[httpx2.Response(200, text=each.model_dump_json()) for each in (answer, other)])
    with pytest.raises(NoAnswerError, match="during the call"):
        script.client().classify(*[b"x"] * 33)


def test_the_key_and_the_time_that_is_left_are_sent() -> None:
    script = Scripted(models(), models())
    script.client(api_key="secret", timeout=20).models()
    script.client(timeout=20, deadline=0.5).models()
    assert script.requests[0].headers["authorization"] == "Bearer secret"
    assert "authorization" not in script.requests[1].headers
    assert 19_000 <= int(script.requests[0].headers["x-request-timeout-ms"]) <= 20_000
    assert script.requests[1].headers["x-request-timeout-ms"] == "500"
    assert script.requests[1].extensions["timeout"]["read"] == 1.5


@pytest.mark.parametrize(
    "passing",
    [
        busy(429),
        busy(503),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("gone"),
    ],
)
def test_what_passes_is_tried_again(waits: list[float], passing: Answer) -> None:
    script = Scripted(passing, passing, models())
    assert script.client().models() == []
    assert waits == [FIRST_BACKOFF, 2 * FIRST_BACKOFF]


def test_asyncio_tries_again_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0)
    script = Scripted(busy(), httpx2.ConnectError("refused"), models())

    async def ask() -> None:
        async with AsyncClient("http://server", transport=httpx2.MockTransport(script)) as client:
            assert await client.models() == []

    asyncio.run(ask())
    assert script.answers == []


def test_pauses_grow_up_to_a_limit(waits: list[float]) -> None:
    with pytest.raises(ServerError):
        Scripted(*[busy()] * 9).client(tries=9, timeout=1000).models()
    assert waits == [min(FIRST_BACKOFF * 2**index, MAX_BACKOFF) for index in range(8)]


def test_the_server_says_how_long_to_wait(waits: list[float]) -> None:
    script = Scripted(busy(retry_after="7"), models())
    script.client().models()
    assert waits == [7 + FIRST_BACKOFF]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3),
        ("", 0),
        ("soon", 0),
        ("-3", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after(text: str, seconds: float) -> None:
    assert retry_after(busy(retry_after=text)) == seconds


def test_retry_after_a_date() -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert retry_after(busy(retry_after=in_an_hour)) == pytest.approx(3600, abs=60)


def test_it_gives_up_after_some_tries(waits: list[float]) -> None:
    script = Scripted(*[busy()] * 3)
    with pytest.raises(ServerError, match=r"429 \(queue_full\): try again"):
        script.client(tries=3).models()
    assert len(waits) == 2


def test_it_does_not_wait_beyond_its_time(waits: list[float]) -> None:
    script = Scripted(busy(503, retry_after="30"))
    with pytest.raises(ServerError):
        script.client(timeout=20).models()
    assert waits == []


@pytest.mark.parametrize("status", [401, 404, 422, 500, 504])
def test_other_errors_are_final(waits: list[float], status: int) -> None:
    with pytest.raises(ServerError) as error:
        Scripted(busy(status)).client().models()
    assert error.value.status == status
    assert waits == []


def test_no_server(waits: list[float]) -> None:
    with Client("http://127.0.0.1:9", tries=2) as client:
        with pytest.raises(NoAnswerError, match=r"from http:.*; check the address, and that the server is running$"):
            client.models()
        assert not client.ready()
    assert len(waits) == 1
    with Client("127.0.0.1:9") as client, pytest.raises(NoAnswerError):
        client.models()


def test_another_server() -> None:
    page = httpx2.Response(200, text="<html>")
    with pytest.raises(NoAnswerError, match="http://server/models is not from a zoo server"):
        Scripted(page).client().models()
    with pytest.raises(NoAnswerError, match="not from a zoo server"):
        Scripted(httpx2.Response(200, text="<html>")).client().shares(GREY)
    with pytest.raises(ServerError, match=r"502 \(http\): Bad gateway"):
        Scripted(httpx2.Response(502, text="Bad gateway")).client().models()


@pytest.mark.parametrize("limit", [{"timeout": 0}, {"timeout": float("inf")}, {"deadline": -1}, {"tries": 0}])
def test_limits_that_cannot_be(limit: dict[str, float]) -> None:
    [(name, value)] = limit.items()
    with pytest.raises(InputError, match=f"{name} = {value}: must be positive"):
        Client("http://server", **limit)


@pytest.mark.process
def test_it_needs_nothing_of_the_server() -> None:
    code = (
        "import sys\n"
        "servers = 'fastapi', 'huggingface_hub', 'onnxruntime', 'prometheus_client', 'starlette', 'torch', 'uvicorn'\n"
        "sys.modules.update(dict.fromkeys(servers))\n"
        "import serve.client\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
