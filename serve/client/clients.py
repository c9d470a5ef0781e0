"""Two clients, for programs with and without asyncio."""

import asyncio
import time
from typing import Self, TypeVar

import httpx2

from serve.client import calls
from serve.client.calls import Call, Outcome, Picture
from serve.client.parts import Parts
from serve.client.retry import Attempts, Limits
from serve.schemas import ClassifyAnswer, ModelDescription, PatchSemanticsAnswer
from zoo.predictors import Array

T = TypeVar("T")

TIMEOUT = 60.0
TRIES = 5


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


class Client:
    """Asks a server, again where it is busy or gone for a moment; threads may share it.

        with Client("http://localhost:8000") as client:
            print(client.classify("cat.jpg").results[0].classes[0].label)

    Arguments:
        url: of the server.
        api_key: where the server wants one.
        timeout: seconds for a request: its tries, and the waiting between them.
        deadline: seconds for one try; None for all that are left. The server is told, and computes nothing that comes
            too late.
        tries: at most.
        transport: of httpx2, for certificates, proxies and tests; None for the usual one.

    Raises:
        InputError: a limit is not above 0, or not finite.

    A call with many pictures makes several requests, each small enough for the server, and joins their answers.
    Every call raises `ServerError` if the server refuses it, and `NoAnswerError` if no answer comes in time.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        deadline: float | None = None,
        tries: int = TRIES,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._http = httpx2.Client(base_url=url, headers=_headers(api_key), transport=transport)
        self._limits = Limits(timeout, deadline, tries)

    def classify(self, *pictures: Picture, model: str | None = None, top_k: int | None = None) -> ClassifyAnswer:
        """The most probable classes of each picture.

        Arguments:
            pictures: files by path or content, or pictures in memory.
            model: None for the server's default one.
            top_k: classes to list; None for five.
        """
        return self._ask(calls.classify(pictures, model, top_k))

    def patch_semantics(
        self, *pictures: Picture, model: str | None = None, top_k: int | None = None
    ) -> PatchSemanticsAnswer:
        """What each patch of each picture looks like; arguments as for `classify`."""
        return self._ask(calls.patch_semantics(pictures, model, top_k))

    def shares(self, *pictures: Picture, model: str | None = None) -> Array:
        """The share of each class in each patch, [N, C + 1, h, w], `none` last; arguments as for `classify`."""
        return self._ask(calls.shares(pictures, model))

    def semantic_map(self, picture: Picture, model: str | None = None) -> bytes:
        """What each patch looks like, drawn over the picture: a PNG file."""
        return self._ask(calls.semantic_map(picture, model))

    def models(self) -> list[ModelDescription]:
        """The models that are served, the default one first."""
        return self._ask(calls.models())

    def ready(self) -> bool:
        """Whether the server takes requests now; asked once."""
        try:
            return self._http.get("/readyz", timeout=self._limits.timeout).is_success
        except httpx2.RequestError:
            return False

    def close(self) -> None:
        """Close its connections; the end of a `with` statement does too."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, call: Call[T]) -> T:
        parts = Parts(call)
        while part := parts.next():
            parts.take(self._outcome(part))
        return parts.result()

    def _outcome(self, call: Call[T]) -> Outcome:
        files, attempts = call.files(), Attempts(self._limits)
        while True:
            outcome: Outcome
            try:
                outcome = self._http.request(**attempts.arguments(call, files))
            except httpx2.RequestError as error:
                outcome = error
            pause = attempts.pause(outcome)
            if pause is None:
                return outcome
            time.sleep(pause)


class AsyncClient:
    """The same for asyncio; its methods are those of `Client`, to be awaited."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        deadline: float | None = None,
        tries: int = TRIES,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx2.AsyncClient(base_url=url, headers=_headers(api_key), transport=transport)
        self._limits = Limits(timeout, deadline, tries)

    async def classify(self, *pictures: Picture, model: str | None = None, top_k: int | None = None) -> ClassifyAnswer:
        """As `Client.classify`."""
        return await self._ask(calls.classify(pictures, model, top_k))

    async def patch_semantics(
        self, *pictures: Picture, model: str | None = None, top_k: int | None = None
    ) -> PatchSemanticsAnswer:
        """As `Client.patch_semantics`."""
        return await self._ask(calls.patch_semantics(pictures, model, top_k))

    async def shares(self, *pictures: Picture, model: str | None = None) -> Array:
        """As `Client.shares`."""
        return await self._ask(calls.shares(pictures, model))

    async def semantic_map(self, picture: Picture, model: str | None = None) -> bytes:
        """As `Client.semantic_map`."""
        return await self._ask(calls.semantic_map(picture, model))

    async def models(self) -> list[ModelDescription]:
        """As `Client.models`."""
        return await self._ask(calls.models())

    async def ready(self) -> bool:
        """As `Client.ready`."""
        try:
            return (await self._http.get("/readyz", timeout=self._limits.timeout)).is_success
        except httpx2.RequestError:
            return False

    async def close(self) -> None:
        """Close its connections; the end of an `async with` statement does too."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _ask(self, call: Call[T]) -> T:
        parts = Parts(call)
        while part := parts.next():
            parts.take(await self._outcome(part))
        return parts.result()

    async def _outcome(self, call: Call[T]) -> Outcome:
        attempts = Attempts(self._limits)
        # It reads and encodes pictures.
        files = await asyncio.to_thread(call.files)
        while True:
            outcome: Outcome
            try:
                outcome = await self._http.request(**attempts.arguments(call, files))
            except httpx2.RequestError as error:
                outcome = error
            pause = attempts.pause(outcome)
            if pause is None:
                return outcome
            await asyncio.sleep(pause)
