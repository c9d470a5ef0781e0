import logging

import httpx2
import pytest
from starlette.testclient import TestClient
from support.serving import GatedPredictor, MakeClient, running

from zoo.hub import DEFAULT_MODEL

MODEL = f"/v2/models/{DEFAULT_MODEL}"
PATHS = ("/", "/page/style.css", "/models", "/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/v2", MODEL)


@pytest.mark.parametrize("path", [*PATHS, "/v2/health/live", "/v2/health/ready", "/no/such/path", "/models?x=1"])
def test_head_is_get_without_its_body(client: TestClient, path: str) -> None:
    get, head = client.get(path), client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    own = {"x-request-id", "content-length"} if path == "/metrics" else {"x-request-id"}
    assert {name: text for name, text in head.headers.items() if name not in own} == {
        name: text for name, text in get.headers.items() if name not in own
    }
    assert int(head.headers["content-length"]) > 0


def test_it_is_reported_as_what_it_is(
    make_client: MakeClient, predictor: GatedPredictor, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(predictor)
    with caplog.at_level(logging.INFO, "serve.http.middleware"):
        client.head("/models")
    [fields] = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert (fields["method"], fields["route"], fields["status"], fields["bytes_out"]) == ("HEAD", "/models", 200, 0)


def test_a_connection_can_be_used_again(make_client: MakeClient, predictor: GatedPredictor) -> None:
    with running(make_client(predictor).app) as url, httpx2.Client(base_url=url) as http:
        for path in PATHS:
            answer = http.head(path)
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-length"] != "0"
            assert http.get("/healthz").text == "ok\n"
