from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings

KEY = "a-key-that-is-as-long-as-one-must-be"


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Of a server that asks for a key, and sends none."""
    with TestClient(create_app(Service.open(Settings(threads=1, api_keys=(KEY,))))) as client:
        yield client


@pytest.fixture
def client_with_key(client: TestClient) -> TestClient:
    client.headers["X-API-Key"] = KEY
    return client
