"""The server's log: one line per record on standard error, as text or JSON, for this program and uvicorn alike; and the
context of the request that a record is about.

A thread of its own writes it, so that a request never waits for a pipe that nobody reads or a slow disk. It writes what
came meanwhile at once, since to wake it for every line would take longer than to write it.
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
"""Header with a client's own id, which the answer and the log repeat; without one, an id is made."""

MAX_PENDING = 10_000
"""Upper bound of records that wait to be written; those beyond are lost, and counted."""
WRITE_INTERVAL_SECONDS = 0.03
"""Time that a line may wait for others to be written with it; errors do not wait."""
FLUSH_SECONDS = 2.0
"""Time that the end of the program waits for what is not yet written."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LOST = "%d log records are lost: they could not be written in time"
_PROGRAMS = ("serve", "zoo", "uvicorn.error")
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RequestContext:
    """What is known about a request; each layer adds what it learns."""

    id: str = ""
    path: str = ""
    model: str = ""
    """The model that answers."""
    key: str = ""
    """The name of the API key."""
    reason: str = ""
    """The code of the error that it ended with."""
    status: int = 0
    """Status of its answer, once that has begun."""


_current: ContextVar[RequestContext] = ContextVar("request")


def begin(path: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """Start the context of a new request; it is current in its task and in tasks started from there."""
    context = RequestContext(_id(headers), path)
    _current.set(context)
    return context


def current() -> RequestContext:
    """The context of the current request; outside of one, a throw-away context."""
    return _current.get(None) or RequestContext()


def _id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == ID_HEADER and _SANE_ID.fullmatch(value):
            return value.decode()
    # 64 random bits: no other request has them. They are no secret.
    return f"{random.getrandbits(64):016x}"


def configure_logging(log_format: LogFormat, level: LogLevel) -> None:
    """Set up logging: this program and uvicorn from `level` up, other libraries from warnings up."""
    handler = ThreadedHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    lowest = logging.getLevelName(level.upper())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(lowest, logging.WARNING))
    for name in _PROGRAMS:
        logging.getLogger(name).setLevel(lowest)
    # It warns of malformed forms, which are their senders' fault; the answer says so.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    # Pillow does the same with images, each time in other words; and Python would remember all of them.
    warnings.filterwarnings("ignore", module=r"PIL\.")


class ThreadedHandler(logging.Handler):
    """Passes records to a thread that writes them; whatever happens there does not reach the caller.

    Arguments:
        stream: written to by the thread only.
        max_pending: upper bound of records that wait.
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
        """Wait until all is written, but not for long; `logging` calls it when the program ends."""
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
            except Exception:  # whatever is wrong with one record, the next ones are written
                self.handleError(record)
        with suppress(Exception):
            self._stream.write("".join(lines))
            self._stream.flush()


class TextFormatter(logging.Formatter):
    """`TIME LEVEL REQUEST-ID MESSAGE NAME=VALUE ...`, and a traceback in the lines below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        fields = [f"{name}={value}" for name, value in _fields(record).items() if value != ""]
        message = " ".join([record.message.strip(), *fields])
        if not message.isprintable():
            # Parts of it come from clients, who must not be able to write lines of their own.
            message = message.translate(_ESCAPES)
        return f"{_time(record)} {record.levelname} {_request_id(record) or '-'} {message}"


class JsonFormatter(logging.Formatter):
    """An object a line: time (ISO 8601, UTC), level, logger, message, request_id, what the record's `fields` are, and
    exception, which is a traceback.
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
