"""What the OpenAPI document shows as examples has the form of true answers."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient


def form(value: Any, shortened: Any = None) -> Any:
    """Keys and types of a JSON value; of an array those of its first element.

    Arguments:
        shortened: an example, whose keys are all that is looked at in records that it shows in part.
    """
    if isinstance(value, dict):
        names = value if shortened is None else shortened
        return {name: form(value[name], shortened and shortened[name]) for name in names}
    if isinstance(value, list):
        return [form(value[0])]
    return type(value)


def example(client: TestClient, method: str, path: str) -> Any:
    [content] = client.get("/openapi.json").json()["paths"][path][method]["responses"]["200"]["content"].values()
    return content["example"]


@pytest.mark.parametrize("path", ["/classify", "/patch-semantics", "/occlusion"])
def test_of_images(client: TestClient, photo_file: Path, path: str) -> None:
    content = client.get("/openapi.json").json()["paths"][path]["post"]["responses"]["200"]["content"]
    true = client.post(path, content=photo_file.read_bytes()).json()
    assert form(content["application/json"]["example"]) == form(true)


def test_of_models(client: TestClient) -> None:
    [shown], [true] = example(client, "get", "/models"), client.get("/models").json()
    assert set(shown) == set(true)
    records = ("metrics", "parity")
    # The bundled file was exported by an earlier version: it has no embedding, and so no index.
    others = [name for name in shown if name not in (*records, "embedding_size", "indexed")]
    assert form({name: shown[name] for name in others}) == form({name: true[name] for name in others})
    for record in records:
        assert form(shown[record]) == form(true[record], shown[record])
    for model in (shown, true):
        score = model["metrics"]["test"]["torch"]
        assert 50 < score["patch_accuracy"] < score["accuracy"] < 100  # in percent


def test_of_metrics(client: TestClient, photo_file: Path) -> None:
    client.post("/classify", content=photo_file.read_bytes())
    *comments, shown = example(client, "get", "/metrics").splitlines()
    model = client.get("/models").json()[0]["name"]
    true = client.get("/metrics").text.splitlines()
    assert {*comments, shown.replace("wrn16-ours.pets", model)} <= set(true)
