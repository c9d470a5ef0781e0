import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path

import pytest
from support.small_app import small_client

from serve.logs import JsonFormatter, TextFormatter, ThreadedHandler, begin, configure_logging

TESTS = Path(__file__).parents[2]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """What was logged on standard error; the process's logging is as before afterwards."""

    def lines() -> list[str]:
        for handler in logging.getLogger().handlers:
            handler.flush()
        return capsys.readouterr().err.splitlines()

    loggers = [logging.getLogger(name) for name in ("", "serve", "zoo", "uvicorn.error")]
    before = [(logger, list(logger.handlers), logger.level) for logger in loggers]
    yield lines
    logging.captureWarnings(False)
    for logger, handlers, level in before:
        logger.handlers, logger.level = handlers, level


def test_text(lines: Callable[[], list[str]]) -> None:
    configure_logging("text", "info")
    small_client().post("/count", content=b"abc", headers={"X-Request-Id": "my-id"})
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("serve.any").debug("a detail")
    logging.getLogger("another").info("its detail")
    request, started = lines()
    at, level, request_id, message = request.split(" ", 3)
    assert at.endswith("Z")
    assert (level, request_id) == ("INFO", "my-id")
    assert message.startswith("request client=testclient method=POST path=/count route=/count status=200 ms=")
    assert message.endswith(" bytes_in=3 bytes_out=1 model=counter")
    assert started.endswith(" INFO - started")


def test_json(lines: Callable[[], list[str]]) -> None:
    configure_logging("json", "debug")
    client = small_client()
    client.get("/fail", headers={"X-Request-Id": "my-id"})
    error, request = map(json.loads, lines())
    assert error["level"] == "error"
    assert error["request_id"] == request["request_id"] == "my-id"
    assert error["exception"].startswith("Traceback")
    assert error["exception"].endswith("RuntimeError: /secret/path")
    assert (request["logger"], request["message"]) == ("serve.http.middleware", "request")
    assert (request["route"], request["status"], request["reason"]) == ("/fail", 500, "internal")


def record(message: str, **more: object) -> logging.LogRecord:
    about = {"name": "a", "levelno": logging.INFO, "levelname": "INFO", "created": 0.25, "msg": message}
    return logging.makeLogRecord(about | more)


def test_a_client_cannot_write_lines_of_its_own() -> None:
    odd = "a\r\nb\x1b[2J\x85\u2028é\udcff"
    text = TextFormatter().format(record("%s", args=(odd,), fields={"path": odd}))
    shown = "a\\x0d\\x0ab\\x1b[2J\\x85\u2028é\udcff"
    assert text == f"1970-01-01T00:00:00.250Z INFO - {shown} path={shown}"
    line = JsonFormatter().format(record("%s", args=(odd,), fields={"path": odd}))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "info",
        "logger": "a",
        "message": odd,
        "path": odd,
    }


class Stream(io.StringIO):
    """Takes text when its gate is open; fails as often as it was told to."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.writes: list[list[str]] = []
        self._failures = failures

    def write(self, text: str) -> int:
        assert self.gate.wait(10)
        if self._failures:
            self._failures -= 1
            raise OSError(28, "No space left on device")
        self.writes.append(text.splitlines())
        return len(text)

    @property
    def lines(self) -> list[str]:
        return [line for lines in self.writes for line in lines]


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_who_logs_never_waits_and_is_told_of_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    handler = ThreadedHandler(stream, max_pending=3)
    monkeypatch.setattr("serve.logs.FLUSH_SECONDS", 0.01)
    for index in range(10):
        handler.handle(record(f"{index}"))
    handler.flush()
    assert stream.lines == []
    stream.gate.set()
    until(lambda: bool(stream.lines) and "dropped" in stream.lines[-1])
    *written, lost = stream.lines
    assert written == [str(index) for index in range(len(written))]
    assert lost.startswith(f"dropped {10 - len(written)} log records")


def test_lines_that_come_while_it_rests_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.logs.WRITE_INTERVAL_SECONDS", 60)
    stream = Stream()
    stream.gate.set()
    handler = ThreadedHandler(stream)
    handler.handle(record("first"))
    until(lambda: bool(stream.lines))
    for message in ("one", "two"):
        handler.handle(record(message))
    assert stream.writes == [["first"]]
    handler.flush()
    assert stream.writes == [["first"], ["one", "two"]]


def test_no_line_is_held_back_long() -> None:
    stream = Stream()
    stream.gate.set()
    handler = ThreadedHandler(stream)
    for message in ("one", "two"):
        handler.handle(record(message))
        until(lambda: message in stream.lines)  # noqa: B023


def test_an_error_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.logs.WRITE_INTERVAL_SECONDS", 60)
    stream = Stream()
    stream.gate.set()
    handler = ThreadedHandler(stream)
    handler.handle(record("first"))
    until(lambda: bool(stream.lines))
    handler.handle(record("failed", levelno=logging.ERROR))
    until(lambda: stream.lines == ["first", "failed"])


def test_a_record_that_cannot_be_written_holds_up_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    stream = Stream()
    stream.gate.set()
    handler = ThreadedHandler(stream)
    for one in (record("one"), record("%d", args=("a word",)), record("two")):
        handler.handle(one)
    handler.flush()
    assert stream.lines == ["one", "two"]
    assert "Logging error" in capsys.readouterr().err


def test_a_stream_that_fails_is_tried_again() -> None:
    stream = Stream(failures=1)
    stream.gate.set()
    handler = ThreadedHandler(stream)
    for message in ("one", "two"):
        handler.handle(record(message))
        handler.flush()
    assert stream.lines == ["two"]


def test_a_record_knows_its_request() -> None:
    stream = Stream()
    stream.gate.set()
    handler = ThreadedHandler(stream)
    one = record("one")

    def answer() -> None:
        begin("/", [(b"x-request-id", b"my-id")])
        handler.handle(one)

    copy_context().run(answer)
    assert one.__dict__["request_id"] == "my-id"


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_log_is_no_fault_of_a_request() -> None:
    code = (
        "from serve.logs import configure_logging\n"
        "from support.small_app import small_client\n"
        "configure_logging('json', 'debug')\n"
        "client = small_client()\n"
        "print([client.get(path).status_code for path in ['/healthz', '/fail'] * 50])\n"
    )
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full, text=True, timeout=60, cwd=TESTS
        )
    assert ended.stdout == f"{[200, 500] * 50}\n"
