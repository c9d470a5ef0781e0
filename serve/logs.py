"""Logging to standard error, one text line or JSON object per record, for this program and uvicorn; and the context of
the current request.

A separate thread writes the log, so that a request never waits for a slow disk or for a pipe that nobody reads. It
writes records in batches, since waking it for every line would take longer than writing the line.
"""

import json
import logging
import random
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

ID_HEADER = b"x-request-id"
"""Header with the client's request id, repeated in the response and the log; without one, an id is generated."""

MAX_PENDING = 10_000
"""Maximum number of records waiting to be written; further ones are dropped and counted."""
WRITE_INTERVAL_SECONDS = 0.03
"""Time that a line may wait to be written together with others; errors do not wait."""
FLUSH_SECONDS = 2.0
"""Time that the program waits for pending records at exit."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LOST = "dropped %d log records that could not be written in time"
_PROGRAMS = ("serve", "zoo", "uvicorn.error")
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RequestContext:
    """Facts about a request, filled in by the layers that it passes."""

    id: str = ""
    path: str = ""
    model: str = ""
    """Name of the model."""
    key: str = ""
    """Name of the API key."""
    reason: str = ""
    """Code of the error, if it failed."""
    status: int = 0
    """Status of the response, once that has started."""


_current: ContextVar[RequestContext] = ContextVar("request")


def begin(path: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """Start the context of a new request, which becomes current in this task and the tasks started from it."""
    context = RequestContext(_id(headers), path)
    _current.set(context)
    return context


def current() -> RequestContext:
    """Context of the current request; outside a request, a throw-away context."""
    return _current.get(None) or RequestContext()


def _id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == ID_HEADER and _SANE_ID.fullmatch(value):
            return value.decode()
    # 64 random bits are unique enough; they need not be secret.
    return f"{random.getrandbits(64):016x}"


def configure_logging(log_format: LogFormat, level: LogLevel) -> None:
    """Set up logging: this program and uvicorn at `level` and above, other libraries at warning and above."""
    handler = ThreadedHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    lowest = logging.getLevelName(level.upper())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(lowest, logging.WARNING))
    for name in _PROGRAMS:
        logging.getLogger(name).setLevel(lowest)
    # It warns about malformed forms; those are client errors, which the response reports.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    # So does Pillow about images, with ever different texts, all of which Python would keep in memory.
    warnings.filterwarnings("ignore", module=r"PIL\.")


class ThreadedHandler(logging.Handler):
    """Handler that passes records to a writer thread, whose errors and delays never reach the caller.

    `logging.handlers.QueueListener` writes every record on its own, at two to three times the CPU time, and its `stop`
    waits without limit for a stream that nobody reads.

    Arguments:
        stream: output stream, used by the thread only.
        max_pending: maximum number of waiting records.
    """

    def __init__(self, stream: TextIO, max_pending: int = MAX_PENDING) -> None:
        super().__init__()
        self._stream = stream
        self._max_pending = max_pending
        self._lost = 0
        self._waiting: SimpleQueue[logging.LogRecord | threading.Event] = SimpleQueue()
        self._wake = threading.Event()
        threading.Thread(target=self._work, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        record.request_id = current().id
        if self._waiting.qsize() >= self._max_pending:
            self._lost += 1
            return
        self._waiting.put(record)
        if record.levelno >= logging.ERROR:
            self._wake.set()

    def flush(self) -> None:
        """Wait up to `FLUSH_SECONDS` until all records are written; `logging` calls it at exit."""
        written = threading.Event()
        self._waiting.put(written)
        self._wake.set()
        written.wait(FLUSH_SECONDS)

    def _work(self) -> None:
        while True:
            waiting = [self._waiting.get()]
            waiting += [self._waiting.get() for _ in range(self._waiting.qsize())]
            records = [item for item in waiting if isinstance(item, logging.LogRecord)]
            lost, self._lost = self._lost, 0
            if lost:
                records.append(_log.makeRecord(_log.name, logging.WARNING, __file__, 0, _LOST, (lost,), None))
            self._write(records)
            for item in waiting:
                if isinstance(item, threading.Event):
                    item.set()
            self._wake.wait(WRITE_INTERVAL_SECONDS)
            self._wake.clear()

    def _write(self, records: list[logging.LogRecord]) -> None:
        lines = []
        for record in records:
            try:
                lines.append(f"{self.format(record)}\n")
            except Exception:  # a bad record must not prevent the next ones from being written
                self.handleError(record)
        with suppress(Exception):
            self._stream.write("".join(lines))
            self._stream.flush()


class TextFormatter(logging.Formatter):
    """Formatter of lines `TIME CONFIDENCE_LEVEL REQUEST-ID MESSAGE NAME=VALUE ...`, followed by a traceback, if any."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        fields = [f"{name}={value}" for name, value in _fields(record).items() if value != ""]
        message = " ".join([record.message.strip(), *fields])
        if not message.isprintable():
            # Parts of it come from clients, which must not be able to forge log lines.
            message = message.translate(_ESCAPES)
        return f"{_time(record)} {record.levelname} {_request_id(record) or '-'} {message}"


class JsonFormatter(logging.Formatter):
    """Formatter of one JSON object per line: time (ISO 8601, UTC), level, logger, message, request_id, the record's
    `fields`, and exception (a traceback).
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
        }
        if request_id := _request_id(record):
            line["request_id"] = request_id
        line |= _fields(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _request_id(record: logging.LogRecord) -> str:
    return str(getattr(record, "request_id", ""))


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    return getattr(record, "fields", {})
