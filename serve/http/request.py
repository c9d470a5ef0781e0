"""What every endpoint does for a request: deadline, cancellation when its client disconnects, format of the answer."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from serve.errors import BadHeaderError, NotAcceptableError
from serve.settings import Settings

TIMEOUT_HEADER = "X-Request-Timeout-Ms"


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
