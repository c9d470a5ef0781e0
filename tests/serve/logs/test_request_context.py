import re

import pytest
from support.small_app import small_client

from serve.logs import current


@pytest.mark.parametrize("own", ["a", "Order-12.3_x", "x" * 64])
def test_a_clients_id_is_repeated(own: str) -> None:
    assert small_client().get("/healthz", headers={"X-Request-Id": own}).headers["x-request-id"] == own


@pytest.mark.parametrize("odd", ["", "x" * 65, "a b", "a\tb", 'a"b', "é".encode("latin-1"), "a/../b"])
def test_an_odd_id_is_replaced(odd: str | bytes) -> None:
    made = small_client().get("/healthz", headers={"X-Request-Id": odd}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{16}", made)


def test_every_request_has_another_id() -> None:
    client = small_client()
    assert len({client.get("/healthz").headers["x-request-id"] for _ in range(20)}) == 20


def test_errors_have_an_id_too() -> None:
    client = small_client(api_keys=("k" * 16,), max_head_bytes=1000)
    key = {"X-API-Key": "k" * 16}
    answers = [
        client.get("/fail"),
        client.get("/fail", headers=key),
        client.get("/nothing", headers=key),
        client.get("/fail", headers={"X-Long": "x" * 1000}),
    ]
    assert [answer.status_code for answer in answers] == [401, 500, 404, 431]
    assert all(re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"]) for answer in answers)


def test_outside_of_a_request_nothing_is_known_or_kept() -> None:
    current().model = "one"
    assert current().model == ""
    assert current().id == ""
