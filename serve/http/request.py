"""Parts of a request common to all endpoints: query parameters, deadline, client disconnects, content negotiation."""

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
from zoo.search.hits import DEFAULT_COUNT

TIMEOUT_HEADER = "X-Request-Timeout-Ms"


class ModelQuery(BaseModel):
    """Query parameters of all image endpoints.

    A new parameter only needs a field, here or in a subclass, to be documented, parsed and named in error messages.
    """

    model: str | None = Field(
        None,
        description="Name of a model in `/models`, or a variant with a single model; the default model if omitted.",
    )


class ImageQuery(ModelQuery):
    """Query parameters of `/classify` and `/patch-semantics`."""

    top_k: int | None = Field(
        None,
        description=f"Number of classes to list, from 1 to C; by default {DEFAULT_TOP_K}, or C if that is less.",
    )


class SearchQuery(ModelQuery):
    """Query parameters of `/search`."""

    k: int | None = Field(
        None, description=f"Number of images to find, from 1 to those of the index; by default {DEFAULT_COUNT}, or all."
    )
    threshold: float = Field(-1.0, description="Smallest cosine of what is found, from -1 to 1.")
    thumbnails: bool = Field(False, description="Whether to answer with thumbnails, too.")


class OcclusionQuery(ModelQuery):
    """Query parameters of `/occlusion`."""

    label: str | None = Field(None, description="Class to explain; the most probable one if omitted.")


Q = TypeVar("Q", bound=BaseModel)


def read_query(query: bytes, kind: type[Q]) -> Q:
    """Parse the query string of a request into a model whose fields are the parameters.

    Raises:
        UnknownParameterError: there is an unknown parameter.
        InputError: a parameter is repeated, or its value has the wrong type.
    """
    values = _parse_query(query, kind.model_fields)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = [f"{each['loc'][0]} = {short(each['input'])}: {each['msg']}" for each in error.errors()]
        raise InputError("; ".join(wrong)) from None


async def refuse_query(request: Request) -> None:
    """Dependency of endpoints without query parameters, which refuses requests that have any.

    Probes and the page's files accept any parameters: monitors and browsers add some to bypass caches.

    Raises:
        UnknownParameterError: the request has a query parameter.
    """
    query = request.scope["query_string"]
    if query and not is_public(route_path(request.scope)):
        _parse_query(query, ())


def client_deadline(request: Request) -> float:
    """Time at which the client stops waiting, on the clock of `time.monotonic`; infinity if it sends no such header.

    Raises:
        BadHeaderError: the header is not a positive number of milliseconds.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return float("inf")
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = float("nan")
    if not milliseconds > 0:
        raise BadHeaderError(f"{TIMEOUT_HEADER}: {text}: must be a positive number of milliseconds, such as 500")
    return time.monotonic() + milliseconds / 1000


def deadline_of(of_client: float, settings: Settings) -> float:
    """Deadline of a request whose body has just arrived: the server's or the client's, on the clock of
    `time.monotonic`.
    """
    return min(time.monotonic() + settings.deadline_ms / 1000, of_client)


class WhileConnected:
    """Async context manager that is cancelled if the client disconnects; the request body must have been read.

    Raises:
        ClientDisconnect: the client disconnected.
    """

    def __init__(self, request: Request) -> None:
        self._receive = request.receive

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        # The watcher must not reference this object: a cancelled task keeps its frames, and the resulting cycle would
        # keep the request alive until the next garbage collection.
        self._watcher = asyncio.create_task(_watch(self._receive, task))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        gone = self._watcher.done() and not self._watcher.cancelled()
        self._watcher.cancel()
        if gone:
            # Take back our own cancellation only; any other one proceeds.
            left = self._task.uncancel()
            if kind is asyncio.CancelledError and not left:
                raise ClientDisconnect from None


def negotiate(accept: str, offers: Sequence[str]) -> str:
    """Offer preferred by an `Accept` header (RFC 9110, section 12.5.1); the first offer if the header is empty.

    Raises:
        NotAcceptableError: the header accepts none of the offers.
    """
    if not accept.strip():
        return offers[0]
    ranges = [_parse(item) for item in accept.split(",")]
    best, best_quality = offers[0], 0.0
    for offer in offers:
        # The most specific matching range applies.
        matching = [(len(media.rstrip("*")), quality) for media, quality in ranges if _matches(media, offer)]
        quality = max(matching)[1] if matching else 0.0
        if quality > best_quality:
            best, best_quality = offer, quality
    if best_quality == 0:
        raise NotAcceptableError(f"Accept: {accept}: not available from this endpoint; use {', '.join(offers)}")
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
            raise InputError(f"{name} is repeated, as {short(values[name])} and {short(value)}; send it once")
        values[name] = value
    return values
