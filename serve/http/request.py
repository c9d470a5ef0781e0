"""What every endpoint reads of a request: query parameters, deadline, whether its client is there, accepted formats."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from reprlib import repr as short
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from serve.errors import BadHeaderError, NotAcceptableError, UnknownParameterError
from serve.http.auth import is_public
from serve.http.middleware import route_path
from serve.settings import Settings
from zoo.answers import DEFAULT_TOP_K
from zoo.errors import InputError, suggestion

TIMEOUT_HEADER = "X-Request-Timeout-Ms"


class ImageQuery(BaseModel):
    """Query parameters of the endpoints that take images.

    A new parameter is a field here, and nothing else: it is then documented, read, and named in error messages.
    """

    model: str | None = Field(
        None,
        description="A name of `/models`, or a variant that one of them has; the default model if none is given.",
    )
    top_k: int | None = Field(None, description=f"Classes to list, 1 to C; {DEFAULT_TOP_K} if none is given.")


Q = TypeVar("Q", bound=BaseModel)


def read_query(query: bytes, kind: type[Q]) -> Q:
    """Read the query string of a request as a model whose fields are its parameters.

    Raises:
        UnknownParameterError: it has another parameter.
        InputError: a parameter is given twice, or its value is of the wrong type.
    """
    values = _parse_query(query, kind.model_fields)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = [f"{each['loc'][0]} = {short(each['input'])}: {each['msg']}" for each in error.errors()]
        raise InputError("; ".join(wrong)) from None


async def refuse_query(request: Request) -> None:
    """Dependency of endpoints without query parameters.

    Probes and the page's files take any: monitors and browsers add parameters that defeat caches.

    Raises:
        UnknownParameterError: the request has one.
    """
    query = request.scope["query_string"]
    if query and not is_public(route_path(request.scope)):
        _parse_query(query, ())


def client_deadline(request: Request) -> float:
    """Time at which the client stops waiting, on the clock of `time.monotonic`; infinity if it does not say.

    Raises:
        BadHeaderError: the header is not a number of milliseconds above 0.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return float("inf")
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = float("nan")
    if not milliseconds > 0:
        raise BadHeaderError(f"{TIMEOUT_HEADER}: {text}: it must be a number of milliseconds above 0, such as 500")
    return time.monotonic() + milliseconds / 1000


def deadline_of(of_client: float, settings: Settings) -> float:
    """Deadline of a request whose body has just arrived, on the clock of `time.monotonic`."""
    return min(time.monotonic() + settings.deadline_ms / 1000, of_client)


class WhileConnected:
    """Cancels the body of an `async with` statement when the client of a request, whose body was read, disconnects.

    Raises:
        ClientDisconnect: it disconnected.
    """

    def __init__(self, request: Request) -> None:
        self._receive = request.receive

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        # It does not know this object: a cancelled task keeps its frames, and they would keep the task, so that only
        # the garbage collector could free the request.
        self._watcher = asyncio.create_task(_watch(self._receive, task))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        gone = self._watcher.done() and not self._watcher.cancelled()
        self._watcher.cancel()
        if gone:
            # Another's cancellation goes on: only our own is taken back.
            left = self._task.uncancel()
            if kind is asyncio.CancelledError and not left:
                raise ClientDisconnect from None


def negotiate(accept: str, offers: Sequence[str]) -> str:
    """The offer that an `Accept` header prefers (RFC 9110, section 12.5.1); the first offer where it does not say.

    Raises:
        NotAcceptableError: it names only other formats.
    """
    if not accept.strip():
        return offers[0]
    ranges = [_parse(item) for item in accept.split(",")]
    best, best_quality = offers[0], 0.0
    for offer in offers:
        # The most specific range that matches decides on an offer.
        matching = [(len(media.rstrip("*")), quality) for media, quality in ranges if _matches(media, offer)]
        quality = max(matching)[1] if matching else 0.0
        if quality > best_quality:
            best, best_quality = offer, quality
    if best_quality == 0:
        raise NotAcceptableError(f"Accept: {accept} names no format of this endpoint; it writes {', '.join(offers)}")
    return best


async def _watch(receive: Receive, task: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()


def _parse(item: str) -> tuple[str, float]:
    media, *parameters = (part.strip() for part in item.lower().split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return media, float(quality)
    except ValueError:
        return media, 0.0


def _matches(media: str, offer: str) -> bool:
    return media in (offer, "*/*") or (media.endswith("/*") and offer.startswith(media[:-1]))


def _parse_query(query: bytes, known: Iterable[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True):
        if name not in known:
            raise UnknownParameterError(f"unknown query parameter {short(name)}; {suggestion(name, known)}")
        if name in values:
            raise InputError(f"{name} is given twice, as {short(values[name])} and {short(value)}; give it once")
        values[name] = value
    return values
