"""The request that is being answered: its id, and what its log line and the metrics say of it."""

import random
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

ID_HEADER = b"x-request-id"
"""A client's own id, which the answer and the log repeat; one is made for those who send none."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class RequestContext:
    """What is known of a request; each place adds what it finds out."""

    id: str = ""
    path: str = ""
    model: str = ""
    """The model that answers."""
    key: str = ""
    """The name of the API key."""
    reason: str = ""
    """The code of the error that it ended with."""
    status: int = 0
    """Of its answer, once that has begun."""


_current: ContextVar[RequestContext] = ContextVar("request")


def begin(path: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """The context of a new request, current from now on in its task and in what that starts."""
    context = RequestContext(_id(headers), path)
    _current.set(context)
    return context


def current() -> RequestContext:
    """The context of the request that is being answered; outside of one, a context that nobody reads."""
    return _current.get(None) or RequestContext()


def _id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == ID_HEADER and _SANE_ID.fullmatch(value):
            return value.decode()
    # 64 random bits: no other request has them. They are no secret.
    return f"{random.getrandbits(64):016x}"
