import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from support.serving import running

from serve.app import create_app
from serve.client.calls import ClientError
from serve.client.parts import MAX_FILES
from serve.client.predictor import ServerPredictor
from serve.inference.service import Service
from serve.settings import Settings
from zoo.answers import softmax
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.predictors.onnx import OnnxPredictor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor() -> OnnxPredictor:
    return OnnxPredictor.open(open_model(DEFAULT_MODEL), "cpu", threads=1)


@pytest.fixture(scope="module")
def url(predictor: OnnxPredictor) -> Iterator[str]:
    """A running server."""
    service = Service(Settings(threads=1), [open_model(DEFAULT_MODEL)], lambda package: predictor)
    with running(create_app(service)) as url:
        yield url


def test_it_answers_as_the_model(url: str, predictor: OnnxPredictor) -> None:
    """Also for more images than go into a request."""
    pixels = np.random.default_rng(0).integers(0, 256, (MAX_FILES + 2, 3, 32, 32), dtype=np.uint8)
    expected = predictor(pixels)
    client = ServerPredictor.open(url, DEFAULT_MODEL)
    actual = client(pixels)
    client.client.close()
    assert client.weights_sha256 == predictor.config.weights_sha256
    np.testing.assert_allclose(softmax(actual.logits, 1), softmax(expected.logits, 1), atol=1e-4)
    np.testing.assert_allclose(actual.assignment, expected.assignment, atol=1e-4)
    np.testing.assert_allclose(np.exp(actual.patch_logits), expected.assignment[:, :-1], atol=1e-4)


def test_a_model_that_is_not_served(url: str) -> None:
    with pytest.raises(ClientError, match=f"does not serve 'rn26'; it serves {DEFAULT_MODEL}"):
        ServerPredictor.open(url, "rn26")


def test_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ClientError, match=r"no response from .* the server is running"):
        ServerPredictor.open(f"http://127.0.0.1:{port}", DEFAULT_MODEL)


@pytest.mark.parametrize("body", [b"<html>", json.dumps({"status": "ok"}).encode()])
def test_another_server(body: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(ClientError, match=f"127.0.0.1:{server.server_port}"):
                ServerPredictor.open(f"http://127.0.0.1:{server.server_port}", DEFAULT_MODEL)
        finally:
            server.shutdown()
            thread.join(10)
