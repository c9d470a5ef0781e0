from collections.abc import Mapping

import pytest
from starlette.testclient import TestClient
from support.serving import MakeClient
from support.small_app import small_app, small_client

KEY, OTHER = "first-key-0123456", "second-key-012345"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY} "},
        {"X-API-Key": KEY},
        {"Authorization": "Basic abc", "X-API-Key": KEY},
    ],
)
def test_a_key_opens(headers: Mapping[str, str]) -> None:
    assert small_client(api_keys=(f"alice:{KEY}",)).post("/count", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "missing API key; send Authorization: Bearer KEY"),
        ({"Authorization": f"Basic {KEY}"}, "missing API key"),
        ({"Authorization": KEY}, "missing API key"),
        ({"Authorization": "Bearer"}, "invalid API key"),
        ({"X-API-Key": KEY + "0"}, "invalid API key"),
        ({"X-API-Key": "alice"}, "invalid API key"),
    ],
)
def test_anything_else_does_not(headers: Mapping[str, str], message: str) -> None:
    answer = small_client(api_keys=(f"alice:{KEY}",)).post("/count", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "unauthorized"
    assert message in answer.json()["error"]["message"]


def test_probes_and_the_page_are_open_and_all_else_is_not(make_client: MakeClient) -> None:
    client = make_client(api_keys=(KEY,), rate_limit=0.001, rate_burst=1)
    for path in ("/", "/page/main.js", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/docs"):
        assert client.get(path).status_code == 200, path
    for path in ("/models", "/metrics", "/v2", "/v2/models/a", "/models/", "/page", "/v2/health"):
        assert client.get(path, follow_redirects=False).status_code == 401, path
    for path in ("/classify", "/patch-semantics", "/v2/models/a/infer"):
        assert client.post(path).status_code == 401, path
    assert isinstance(client.get("/v2").json()["error"], str)


def test_a_key_has_its_own_rate_whoever_sends_it() -> None:
    client = small_client(api_keys=(f"alice:{KEY}", f"bob:{OTHER}"), rate_limit=0.5, rate_burst=2)
    alice, bob = {"X-API-Key": KEY}, {"X-API-Key": OTHER}
    assert [client.post("/count", headers=alice).status_code for _ in range(3)] == [200, 200, 429]
    assert client.post("/count", headers=bob).status_code == 200
    answer = client.post("/count", headers=alice)
    assert answer.json()["error"]["code"] == "rate_limit"
    assert "0.5 requests per second" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"] == "2"
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("192.0.2.1", "192.0.2.1", 429),
        ("192.0.2.1", "192.0.2.2", 200),
        ("2001:db8::1", "2001:db8::abcd:1", 429),
        ("2001:db8::1", "2001:db8:0:1::1", 200),
        ("fe80::1%eth0", "fe80::2%eth0", 200),
    ],
)
def test_without_keys_an_address_has_its_rate(first: str, second: str, status: int) -> None:
    app = small_app(rate_limit=0.001, rate_burst=1)
    assert TestClient(app, client=(first, 1)).post("/count").status_code == 200
    assert TestClient(app, client=(second, 2)).post("/count").status_code == status


def test_pages_of_other_origins_may_ask_only_where_they_were_named() -> None:
    own, other = {"Origin": "https://a.example"}, {"Origin": "https://b.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    allowed = "access-control-allow-origin"
    closed = small_client().post("/count", headers=own)
    assert allowed not in closed.headers
    client = small_client(cors_origin=("https://a.example",), api_keys=(KEY,))
    preflight = client.options("/count", headers=own | asked)
    assert preflight.status_code == 200
    assert preflight.headers[allowed] == "https://a.example"
    # A page must be able to read that a key is needed.
    refused = client.post("/count", headers=own)
    assert refused.status_code == 401
    assert refused.headers[allowed] == "https://a.example"
    assert "X-Request-Id" in refused.headers["access-control-expose-headers"]
    assert client.options("/count", headers=other | asked).status_code == 400
    assert allowed not in client.post("/count", headers=other).headers
