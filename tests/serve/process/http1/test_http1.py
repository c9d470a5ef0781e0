"""Heads of requests that are too long, or are none, sent to a real server."""

import json
import logging
import re
import socket
from collections.abc import Iterator

import pytest
from support.small_app import small_server

from serve.logs import current
from serve.metrics import Metrics
from serve.shared import Shared

HEAD = b"POST /count HTTP/1.1\r\nHost: a\r\n"
LIMIT = 4000


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with small_server(max_head_bytes=LIMIT) as port:
        yield port


def ask(port: int, *parts: bytes) -> bytes:
    """All that the server answers until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not read on
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def body_of(answer: bytes) -> dict[str, dict[str, str]]:
    parsed: dict[str, dict[str, str]] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return parsed


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET /" + b"x" * 3000, b"x" * 3000),
        (HEAD + b"X-Long: ", *[b"x" * 1000] * 5),
        (HEAD, *[b"X-Short: x\r\n" * 100] * 5),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", *[b"X-Trailer: x\r\n" * 100] * 5),
    ],
    ids=["URL", "one header", "many headers", "trailers"],
)
def test_a_head_without_end_is_refused_before_it_is_all_there(port: int, parts: tuple[bytes, ...]) -> None:
    answer = ask(port, *parts)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"\r\nconnection: close\r\n" in answer
    # A request whose body is whole may reach the application, which has a limit of its own, with the trailers so far.
    problem = body_of(answer)["error"]
    assert problem["code"] == "headers_too_large"
    assert "4000 bytes" in problem["message"]


def test_what_is_no_http_is_refused(port: int) -> None:
    answer = ask(port, b"\x16\x03\x01 TLS perhaps\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert body_of(answer)["error"]["code"] == "bad_request"
    assert ask(port, HEAD + b"Content-Length: x\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_refusals_have_an_id_and_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    def note_id(record: logging.LogRecord) -> bool:
        record.request_id = current().id
        return True

    caplog.set_level(logging.INFO, "serve")
    caplog.handler.addFilter(note_id)
    metrics = Metrics(Shared.create())
    with small_server(metrics, max_head_bytes=LIMIT) as port:
        head = b"POST /count?secret HTTP/1.1\r\nX-Request-Id: my-id\r\n"
        assert b"\r\nx-request-id: my-id\r\n" in ask(port, head + b"X-Long: ", *[b"x" * 1000] * 5)
        [made] = re.findall(r"\r\nx-request-id: ([0-9a-f]{16})\r\n", ask(port, b"no HTTP\r\n\r\n").decode())
    logged = [
        (record.__dict__["request_id"], *(fields[name] for name in ("route", "path", "status", "reason", "client")))
        for record in caplog.records
        if (fields := record.__dict__.get("fields"))
    ]
    assert logged == [
        ("my-id", "other", "/count", 431, "headers_too_large", "127.0.0.1"),
        (made, "other", "", 400, "bad_request", "127.0.0.1"),
    ]
    # uvicorn says nothing beside it.
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]
    value = metrics.registry.get_sample_value
    for code, reason in (("431", "headers_too_large"), ("400", "bad_request")):
        assert value("zoo_requests_total", {"route": "other", "code": code, "model": ""}) == 1
        assert value("zoo_rejections_total", {"reason": reason}) == 1


def test_bodies_are_not_heads(port: int) -> None:
    closing = b"Connection: close\r\n"
    plain = ask(port, HEAD + closing + b"Content-Length: 300000\r\n\r\n", *[b"x" * 1000] * 300)
    assert plain.endswith(b"\r\n\r\n300000")
    chunked = ask(port, HEAD + closing + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 3000, b"0\r\n\r\n")
    assert b"\r\n\r\n3000" in chunked


def test_nothing_says_what_serves(port: int) -> None:
    answer = ask(port, HEAD + b"Connection: close\r\n\r\n").lower()
    assert b"\r\nserver:" not in answer
    assert b"uvicorn" not in answer
