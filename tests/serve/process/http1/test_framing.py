"""Where a request ends, byte by byte on a raw connection: nothing else may be taken for a request, or be lost."""

import socket
import time
from collections.abc import Iterator, Sequence

import pytest
from support.small_app import small_server

COUNT = b"POST /count HTTP/1.1\r\nHost: a\r\n"
"""A request whose answer is the number of bytes of its body."""
OTHER = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
"""What must not be answered where it is no request of its own."""
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
FIVE = b"5\r\nhello\r\n0\r\n\r\n"
"""A body in chunks, of five bytes."""
LENGTH = b"Content-Length: 5\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with small_server() as port:
        yield port


def exchange(port: int, parts: Sequence[bytes], *, ends: bool = False) -> list[tuple[int, bytes]]:
    """Statuses and bodies of all answers to bytes in packets of their own; `ends` with the client's half closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(0.02)  # or the next would come in the same packet
            # The answer to this one, if any, shows that the connection is not out of step.
            if not ends:
                connection.sendall(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has been refused, and the connection closed
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    return list(_answers(received))


def _answers(received: bytes) -> Iterator[tuple[int, bytes]]:
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines)
        length = int(fields.get(b"content-length", b"0"))
        yield int(status_line.split()[1]), rest[:length]
        received = rest[length:]


ANSWERED = {
    "by its length": ([COUNT + LENGTH + b"\r\n", b"hello"], b"5"),
    "in chunks": ([COUNT + CHUNKED + b"\r\n", b"5\r\nhel", b"lo\r\n0\r\n", b"\r\n"], b"5"),
    "chunks with extensions": ([COUNT + CHUNKED + b'\r\n5;name=value;other="quoted"\r\nhello\r\n0\r\n\r\n'], b"5"),
    "with trailers": ([COUNT + CHUNKED + b"\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"], b"5"),
    "upgrade, by its length": ([COUNT + UPGRADE + LENGTH + b"\r\nhello"], b"5"),
    "upgrade, in packets": ([COUNT + UPGRADE + LENGTH + b"\r\n", b"hel", b"lo"], b"5"),
    "upgrade, head in packets": ([COUNT + UPGRADE[:30], UPGRADE[30:] + LENGTH + b"\r", b"\nhello"], b"5"),
    "upgrade, in chunks": ([COUNT + UPGRADE + CHUNKED + b"\r\n", FIVE], b"5"),
    "upgrade, a request as body": ([COUNT + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(OTHER), OTHER], b"34"),
    "upgrade to a WebSocket": ([OTHER[:-2] + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"], b'"ok"'),
    "upgrade without connection": ([COUNT + b"Upgrade: h2c\r\n" + LENGTH + b"\r\nhello"], b"5"),
    "a request as body of a GET": ([OTHER[:-2] + b"Content-Length: %d\r\n\r\n" % len(OTHER), OTHER], b'"ok"'),
    "empty lines before": ([b"\r\n\r\n" + OTHER], b'"ok"'),
    "a full URL": ([b"GET http://somewhere/healthz HTTP/1.1\r\nHost: a\r\n\r\n"], b'"ok"'),
}


@pytest.mark.parametrize(("parts", "body"), ANSWERED.values(), ids=ANSWERED)
def test_a_request_is_answered_and_ends_where_it_ends(port: int, parts: list[bytes], body: bytes) -> None:
    assert exchange(port, parts) == [(200, body), (404, b'{"detail":"Not Found"}')]


REFUSED = {
    "chunks and a length": CHUNKED + LENGTH + b"\r\n0\r\n\r\n" + OTHER,
    "a length and chunks": LENGTH + CHUNKED + b"\r\n0\r\n\r\n" + OTHER,
    "two lengths": LENGTH + b"Content-Length: 6\r\n\r\nhello!",
    "one length twice": LENGTH * 2 + b"\r\nhello",
    "a list of lengths": b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": b"Content-Length: +5\r\n\r\nhello",
    "a hexadecimal length": b"Content-Length: 0x5\r\n\r\nhello",
    "an empty length": b"Content-Length: \r\n\r\nhello",
    "a length of 70 bits": b"Content-Length: 999999999999999999999\r\n\r\nhello",
    "chunked twice": CHUNKED * 2 + b"\r\n" + FIVE,
    "gzip, then chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n" + FIVE,
    "chunked, then gzip": b"Transfer-Encoding: chunked, gzip\r\n\r\n" + FIVE,
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n" + FIVE,
    "a hidden coding": b"Transfer-Encoding: \x0bchunked\r\n\r\n" + FIVE,
    "a blank before the colon": b"Transfer-Encoding : chunked\r\n\r\n" + FIVE,
    "a folded field": b"X-Long: a\r\n b\r\n" + LENGTH + b"\r\nhello",
    "a folded length": b"Content-Length:\r\n 5\r\n\r\nhello",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n" + FIVE,
    "a bare line feed": b"X-Short: a\n" + LENGTH + b"\r\nhello",
    "a bare line feed at the end": LENGTH + b"\nhello",
    "a bare carriage return": b"X-Short: a\r" + LENGTH + b"\r\nhello",
    "a zero byte": b"X-Short: a\0\r\n" + LENGTH + b"\r\nhello",
    "a chunk's bare line feed": CHUNKED + b"\r\n5\nhello\r\n0\r\n\r\n",
    "an extension's bare line feed": CHUNKED + b"\r\n5;a=b\nhello\r\n0\r\n\r\n",
    "a chunk that is longer": CHUNKED + b"\r\n5\r\nhello!\r\n0\r\n\r\n",
    "a chunk of 68 bits": CHUNKED + b"\r\nfffffffffffffffff\r\nhello",
    "a chunk of negative size": CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a chunk of prefixed size": CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a length after the chunks": CHUNKED + b"\r\n5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    "two hosts": b"Host: b\r\n" + LENGTH + b"\r\nhello",
    "an upgrade, and a chunk that is longer": UPGRADE + CHUNKED + b"\r\n5\r\nhello!\r\n0\r\n\r\n",
    "an upgrade, chunks and a length": UPGRADE + CHUNKED + LENGTH + b"\r\n0\r\n\r\n" + OTHER,
}


@pytest.mark.parametrize(
    "connection",
    [
        b"Connection: close, Upgrade\r\n",
        b"Connection: close\r\nConnection: Upgrade\r\n",
        b"Connection: Upgrade, keep-alive\r\n",
        b"Connection: Upgrade\r\n",
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_an_upgrade_is_answered_whatever_becomes_of_the_connection(
    port: int, connection: bytes, version: bytes
) -> None:
    head = b"POST /count HTTP/%s\r\nHost: a\r\nUpgrade: h2c\r\n%s%s\r\n" % (version, connection, LENGTH)
    assert exchange(port, [head, b"hello"])[0] == (200, b"5")
    assert exchange(port, [head + b"hello"])[0] == (200, b"5")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("path", [b"/nowhere", b"/healthz"], ids=["404", "405"])
def test_an_early_answer_arrives_although_its_body_is_not_read(port: int, path: bytes, version: bytes) -> None:
    """A connection that is closed with unread bytes is reset, and answers in flight may be lost."""
    size = 3_000_000
    head = b"POST %s HTTP/%s\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (path, version, size)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(head + bytes(size))  # all of it, before anything is read
            received = b""
            while data := connection.recv(65536):
                received += data
        [(status, _)] = _answers(received)
        assert status in (404, 405)


def test_a_client_that_waits_to_continue_is_refused_without_a_failure(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The application asks for the body when the refusal of its first chunk has ended the connection already."""
    sent = COUNT + b"Expect: 100-continue\r\n" + CHUNKED + b"\r\n5\nhello"
    assert [status for status, _ in exchange(port, [sent])] == [400]
    assert "after write_eof" not in caplog.text


@pytest.mark.parametrize("rest", REFUSED.values(), ids=REFUSED)
def test_what_has_no_certain_end_is_refused_once_and_the_connection_closed(port: int, rest: bytes) -> None:
    [(status, body)] = exchange(port, [COUNT + rest])
    assert status == 400
    assert body.startswith(b'{"error":')


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        b"POST /count HTTP/1.1\r\n" + LENGTH + b"\r\nhello",
        b"POST /count HTTP/1.0\r\n" + CHUNKED + b"\r\n" + FIVE,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /count HTTP/1.2\r\nHost: a\r\n" + LENGTH + b"\r\nhello",
        b"BREW /count HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz\r\nHost: a\r\n\r\n",
        b"POST /count>HTTP/1.1\r\nHost: a\r\n" + LENGTH + b"\r\nhello",
    ],
    ids=[
        "CONNECT",
        "no host",
        "chunks in HTTP/1.0",
        "HTTP/2",
        "HTTP/1.2",
        "a method of its own",
        "HTTP/0.9",
        "no blank",
    ],
)
def test_other_requests_that_are_refused(port: int, request_: bytes) -> None:
    assert [status for status, _ in exchange(port, [request_, OTHER])] == [400]


def test_http_1_0_needs_no_host(port: int) -> None:
    assert exchange(port, [b"POST /count HTTP/1.0\r\n" + LENGTH + b"\r\nhello"]) == [(200, b"5")]


def test_nothing_is_answered_after_close(port: int) -> None:
    assert exchange(port, [COUNT + b"Connection: close\r\n" + LENGTH + b"\r\nhello" + OTHER]) == [(200, b"5")]


def test_a_body_that_breaks_off_is_not_answered(port: int) -> None:
    assert exchange(port, [COUNT + b"Content-Length: 50\r\n\r\nhello"], ends=True) == []
    assert exchange(port, [COUNT + CHUNKED + b"\r\n5\r\nhel"], ends=True) == []


@pytest.mark.parametrize("upgrade", [b"", UPGRADE], ids=["plain", "upgrade"])
def test_requests_in_one_packet_are_answered_in_turn(port: int, upgrade: bytes) -> None:
    each = COUNT + upgrade + b"Content-Length: %d\r\n\r\n%s"
    sent = b"".join(each % (length, b"x" * length) for length in (3, 0, 2)) + OTHER
    assert exchange(port, [sent])[:-1] == [(200, b"3"), (200, b"0"), (200, b"2"), (200, b'"ok"')]


def test_what_follows_a_request_does_not_take_its_answer(port: int) -> None:
    """The refusal of the bytes after it would stand where the client expects its own answer."""
    assert exchange(port, [COUNT + LENGTH + b"\r\nhello" + b"no HTTP\r\n\r\n"]) == [(200, b"5")]
