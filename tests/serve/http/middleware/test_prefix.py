"""Behind a proxy that serves everything under a path: one that cuts the path off, and one that does not."""

import re
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient
from support.serving import GatedPredictor, MakeClient

KEY = "first-key-0123456"


@pytest.fixture(params=["", "/zoo", "/a/b.c"])
def client(request: pytest.FixtureRequest, make_client: MakeClient) -> TestClient:
    """As a proxy that leaves the path asks; without one where it is empty."""
    client = make_client(GatedPredictor(), root_path=request.param, api_keys=(KEY,))
    client.app_state["prefix"] = request.param
    return client


def ask(client: TestClient, path: str, *, cut: bool = False, key: bool = True) -> tuple[int, str]:
    """Status and target of the answer to a path under the prefix, which the proxy may have cut off."""
    url = f"http://example.org{client.app_state['prefix']}{path}"
    headers = {"Authorization": f"Bearer {KEY}"} if key else {}
    sent = f"http://example.org{path}" if cut else url
    answer = client.get(sent, headers=headers, follow_redirects=False)
    location = answer.headers.get("location")
    return answer.status_code, urljoin(url, location) if location is not None else ""


@pytest.mark.parametrize("cut", [False, True])
def test_everything_is_there_with_and_without_the_prefix(client: TestClient, cut: bool) -> None:
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/page/main.js", "/docs-assets/swagger-ui.css", "/healthz"):
        assert ask(client, path, cut=cut, key=False) == (200, "")
    for path in ("/models", "/metrics", "/v2/models/wrn16-ours.cifar10"):
        assert ask(client, path, cut=cut) == (200, "")
        assert ask(client, path, cut=cut, key=False) == (401, "")
    for path in ("/nowhere", "/nowhere/", "/page/nowhere/", "//", "/models//", "/models%2F"):
        assert ask(client, path, cut=cut) == (404, "")


@pytest.mark.parametrize("cut", [False, True])
def test_a_slash_at_the_end_is_redirected_relative_to_what_the_client_asked(client: TestClient, cut: bool) -> None:
    base = f"http://example.org{client.app_state['prefix']}"
    assert ask(client, "/models/", cut=cut) == (307, f"{base}/models")
    assert ask(client, "/models/?a=1&b=%2F", cut=cut) == (307, f"{base}/models?a=1&b=%2F")
    assert ask(client, "/v2/models/a%20b/", cut=cut) == (307, f"{base}/v2/models/a%20b")
    assert ask(client, "/docs/", cut=cut, key=False) == (307, f"{base}/docs")
    answer = client.post(f"{base}/classify/", headers={"X-API-Key": KEY}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "../classify")


def test_a_location_never_leads_to_another_host(client: TestClient) -> None:
    for path in ("//example.com/", "/%2F%2Fexample.com/", "/\\example.com/"):
        assert ask(client, path) == (404, "")


def test_the_prefix_alone_leads_to_the_page(make_client: MakeClient) -> None:
    answer = make_client(GatedPredictor(), root_path="/a/zoo").get("/a/zoo?x=1", follow_redirects=False)
    assert urljoin("http://example.org/a/zoo", answer.headers["location"]) == "http://example.org/a/zoo/?x=1"


def test_routes_are_reported_without_the_prefix(make_client: MakeClient) -> None:
    client = make_client(GatedPredictor(), root_path="/zoo")
    client.get("/zoo/models")
    client.get("/models")
    assert 'zoo_requests_total{code="200",model="",route="/models"} 2.0' in client.get("/zoo/metrics").text


def test_the_pages_of_the_interface_need_nothing_from_elsewhere(client: TestClient) -> None:
    base = f"http://example.org{client.app_state['prefix']}"
    for page in ("/docs", "/redoc"):
        text = client.get(base + page).text
        referred = re.findall(r"""(?:src|href|spec-url)=["']([^"']+)|url: '([^']+)'""", text)
        targets = {urljoin(base + page, "".join(found)) for found in referred}
        assert f"{base}/openapi.json" in targets
        assert len(targets) >= 3
        for target in targets:
            assert target.startswith(f"{base}/")
            assert client.get(target).status_code == 200
    servers = client.get(f"{base}/openapi.json").json()["servers"]
    assert {urljoin(f"{base}/openapi.json", server["url"]).rstrip("/") for server in servers} == {base}
