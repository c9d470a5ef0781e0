"""The description that the server gives of itself; `test_fuzz.py` holds it to what it says."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from serve.errors import STATUS, code_of
from serve.openapi import problems
from zoo.hub import DEFAULT_MODEL

WITHOUT_EXAMPLE = {"application/x-npy", "image/png", "application/octet-stream"}


@pytest.fixture
def paths(client: TestClient) -> dict[str, dict[str, Any]]:
    described: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    return described


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
    assert parameters["model"]["schema"]["enum"] == [DEFAULT_MODEL]
    assert (parameters["top_k"]["schema"]["minimum"], parameters["top_k"]["schema"]["maximum"]) == (1, 10)
    assert "X-Request-Timeout-Ms" in parameters


def test_the_errors_of_examples_are_true_ones() -> None:
    codes = {(status, code_of(kind.__new__(kind))) for kind, status in STATUS.items()}
    described = problems(*{status for status in STATUS.values() if status != 500})
    assert {
        (status, each["content"]["application/json"]["example"]["error"]["code"]) for status, each in described.items()
    } <= codes


def test_errors_of_the_open_inference_protocol_have_its_form() -> None:
    [answer] = problems(404, path="/v2").values()
    content = answer["content"]["application/json"]
    assert content["example"] == {
        "error": "no model of this server is called 'wrn16-our.pets'; did you mean wrn16-ours.pets?"
    }
    assert content["schema"]["required"] == ["error"]
