"""The page's files as the server sends them; the tests in `page/` use them in a browser."""

import re

import pytest
from starlette.testclient import TestClient
from support.serving import GatedPredictor, MakeClient

from serve.http.pages import FOLDER, HEADERS
from zoo.semantic_map import class_colour

FILES = sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.is_file())
TYPES = {"css": "text/css", "js": "javascript", "svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}


@pytest.fixture
def client(make_client: MakeClient, predictor: GatedPredictor) -> TestClient:
    return make_client(predictor)


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert client.head("/").headers["etag"] == page.headers["etag"]
    for name in set(FILES) - {"index.html"}:
        answer = client.get(f"/page/{name}")
        assert TYPES[name.rpartition(".")[2]] in answer.headers["content-type"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/page/none.js").status_code == 404


def test_what_the_page_refers_to_is_there_and_nothing_is_inline(client: TestClient) -> None:
    page = client.get("/").text
    referred = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {"page/style.css", "page/main.js", "docs"} <= set(referred)
    assert {client.get(f"/{path}").status_code for path in referred} == {200}
    assert not re.search(r"<style|style=|\bon\w+=|<script>", page)


def test_a_file_that_is_still_the_same_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    again = client.get("/", headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


def test_nothing_else_gets_the_page_s_headers(client: TestClient) -> None:
    assert client.get("/docs").headers["content-security-policy"] != HEADERS["Content-Security-Policy"]
    assert "content-security-policy" not in client.get("/models").headers


def test_nothing_outside_the_folder_is_served(client: TestClient) -> None:
    assert client.get("/page/%2e%2e/page.py").status_code == 404
    assert client.get("/page/..%2f..%2fpyproject.toml").status_code == 404


def test_samples_are_small() -> None:
    assert sum(file.stat().st_size for file in (FOLDER / "samples").iterdir()) < 60_000


def test_models_come_with_the_colours_of_their_maps(client: TestClient) -> None:
    [model] = client.get("/models").json()
    assert model["colours"] == [class_colour(index) for index in range(len(model["classes"]))]
