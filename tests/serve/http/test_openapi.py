"""The description that the server gives of itself; `test_fuzz.py` holds it to what it says."""

from importlib.metadata import version
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from support.serving import GatedPredictor, MakeClient

from serve.errors import STATUS, code_of
from serve.http.openapi import problems
from serve.http.routes import LeanRoute
from zoo.hub import DEFAULT_MODEL

IMAGES = {(f"/{path}", "post") for path in ("classify", "patch-semantics", "embed", "search", "occlusion")}
WITHOUT_EXAMPLE = {"application/x-npy", "image/png", "application/octet-stream"}


@pytest.fixture
def paths(client: TestClient) -> dict[str, dict[str, Any]]:
    described: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    return described


def app_of(client: TestClient) -> FastAPI:
    assert isinstance(client.app, FastAPI)
    return client.app


def test_the_version_is_the_package_s(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["info"]["version"] == version("template-zoo")


def test_every_answer_has_an_example(paths: dict[str, dict[str, Any]]) -> None:
    missing = [
        (path, method, status, kind)
        for path, methods in paths.items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        for kind, content in answer.get("content", {}).items()
        if "example" not in content and kind not in WITHOUT_EXAMPLE
    ]
    assert missing == []


def test_what_models_and_numbers_there_are(paths: dict[str, dict[str, Any]]) -> None:
    parameters = {each["name"]: each for each in paths["/classify"]["post"]["parameters"]}
    assert parameters["model"]["schema"]["enum"] == [DEFAULT_MODEL, "wrn16-ours"]
    assert (parameters["top_k"]["schema"]["minimum"], parameters["top_k"]["schema"]["maximum"]) == (1, 10)
    assert "X-Request-Timeout-Ms" in parameters


def test_query_parameters_are_documented_if_and_only_if_they_are_read(
    client: TestClient, paths: dict[str, dict[str, Any]]
) -> None:
    read = {
        (route.path, method.lower()): set(route.query_model.model_fields)
        for route in app_of(client).routes
        if isinstance(route, LeanRoute)
        for method in route.methods
    }
    assert set(read) == IMAGES
    for path, methods in paths.items():
        for method, operation in methods.items():
            documented = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
            # All other endpoints refuse every parameter, or read none.
            assert documented == read.get((path, method), set()), path


def test_what_a_request_may_have(paths: dict[str, dict[str, Any]]) -> None:
    body = paths["/classify"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/jpeg", "image/png", "application/octet-stream"} <= set(body)
    form = body["multipart/form-data"]["schema"]
    assert form["additionalProperties"] is False
    assert form["properties"]["file"]["maxItems"] == 32


def test_a_key_is_needed_where_it_says_so_and_sent_as_it_says(
    make_client: MakeClient, predictor: GatedPredictor
) -> None:
    key = "k" * 16
    client = make_client(predictor, api_keys=(key,))
    described = client.get("/openapi.json").json()
    schemes = described["components"]["securitySchemes"]
    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}

    def status(method: str, path: str, scheme: dict[str, str] | None = None) -> int:
        headers = {}
        if scheme and scheme["type"] == "http":
            headers["Authorization"] = f"{scheme['scheme']} {key}"
        elif scheme:
            assert scheme["in"] == "header"
            headers[scheme["name"]] = key
        return client.request(method, path.format(name=DEFAULT_MODEL, version="1"), headers=headers).status_code

    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            needs = operation.get("security", [])
            assert (status(method, path) == 401) == bool(needs), path
            assert all(status(method, path, schemes[name]) != 401 for each in needs for name in each), path
            assert len(needs) in (0, len(schemes))


def test_without_keys_it_names_none(client: TestClient, paths: dict[str, dict[str, Any]]) -> None:
    assert "securitySchemes" not in client.get("/openapi.json").json().get("components", {})
    assert not any("security" in operation for methods in paths.values() for operation in methods.values())


def test_the_errors_of_examples_are_true_ones() -> None:
    codes = {(status, code_of(kind.__new__(kind))) for kind, status in STATUS.items()}
    described = problems(*{status for status in STATUS.values() if status != 500})
    assert {
        (status, each["content"]["application/json"]["example"]["error"]["code"]) for status, each in described.items()
    } <= codes


def test_errors_of_the_open_inference_protocol_have_its_form() -> None:
    [answer] = problems(404, path="/v2").values()
    content = answer["content"]["application/json"]
    assert "did you mean wrn16-ours.pets?" in content["example"]["error"]
    assert content["schema"]["required"] == ["error"]
