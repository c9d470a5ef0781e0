"""What every answer has, whoever gives it."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from support.small_app import small_app

from serve.http.middleware import MAX_HEADERS
from serve.inference.admission import Admission
from serve.metrics import Metrics
from serve.shared import Shared

ORIGIN = "https://a.example"
KEY = "first-key-0123456"


def status(method: str, path: str, headers: Mapping[str, str], room: int = 10, **settings: object) -> int:
    """Of the answer to a page of another origin, which can read it, and its id; and it is counted."""
    metrics = Metrics(Shared.create())
    app = small_app(metrics, Admission(room, 10**6, Shared.create()), cors_origin=(ORIGIN,), **settings)

    @app.get("/ended")
    async def ended() -> None:
        raise asyncio.CancelledError

    client = TestClient(app, headers={"Origin": ORIGIN, "X-Request-Id": "my-id"})
    answer = client.request(method, path, headers=headers)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["x-request-id"] == "my-id"
    [requests] = [metric for metric in metrics.registry.collect() if metric.name == "zoo_requests"]
    [sample] = [sample for sample in requests.samples if sample.name == "zoo_requests_total"]
    assert (sample.labels["code"], sample.value) == (str(answer.status_code), 1)
    return answer.status_code


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", "/count", {}, 200),
        ("OPTIONS", "/count", {"Access-Control-Request-Method": "POST"}, 200),
        ("GET", "/nothing", {}, 404),
        ("GET", "/count", {}, 405),
        ("GET", "/" + "x" * 20_000, {}, 414),
        ("GET", "/healthz", {f"X-{number}": "" for number in range(MAX_HEADERS)}, 431),
        ("GET", "/fail", {}, 500),
        ("GET", "/ended", {}, 503),
    ],
)
def test_every_answer(method: str, path: str, headers: Mapping[str, str], expected: int) -> None:
    assert status(method, path, headers) == expected


def test_refusals() -> None:
    assert status("POST", "/count", {}, api_keys=(KEY,)) == 401
    assert status("POST", "/count", {}, room=0) == 429


def test_an_answer_that_has_begun_is_broken_off_and_reported() -> None:
    metrics = Metrics(Shared.create())
    app = small_app(metrics)

    @app.get("/begun")
    async def begun() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"part"
            raise RuntimeError

        return StreamingResponse(parts())

    with pytest.raises(RuntimeError):
        TestClient(app).get("/begun")
    value = metrics.registry.get_sample_value
    assert value("zoo_requests_total", {"route": "/begun", "code": "200", "model": ""}) == 1
    assert value("zoo_rejections_total", {"reason": "internal"}) == 1
