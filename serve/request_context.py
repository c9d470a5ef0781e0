"""Context of the request that is being answered: its id, and values for its log line and the metrics."""

import random
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

ID_HEADER = b"x-request-id"
"""Header with a client's own id, which the answer and the log repeat; without one, an id is made."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


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
