from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from support.serving import GatedPredictor, MakeClient

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.predictors import Predictor
from zoo.predictors.onnx import OnnxPredictor


@pytest.fixture
def predictor() -> Iterator[GatedPredictor]:
    gated = GatedPredictor()
    yield gated
    gated.gate.set()


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """A client of a running application; by default with the bundled model and ONNX Runtime."""
    clients: list[TestClient] = []

    def make(predictor: Predictor | None = None, **settings: object) -> TestClient:
        chosen = replace(Settings(), threads=1, **settings)
        package = open_model(DEFAULT_MODEL)
        service = Service(chosen, [package], lambda own: predictor or OnnxPredictor.open(own, "cpu", threads=1))
        client = TestClient(create_app(service), raise_server_exceptions=False)
        client.app_state["service"] = service
        clients.append(client.__enter__())
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client()
