"""Two clients, for programs with and without asyncio."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import httpx2

from serve.client import calls
from serve.client.calls import Call, ImageInput, Outcome
from serve.client.parts import Parts
from serve.client.retry import Attempts, RetryPolicy
from serve.schemas import ClassifyAnswer, ModelDescription, PatchSemanticsAnswer
from zoo.outputs import Array

T = TypeVar("T")
HttpT = TypeVar("HttpT")
TransportT = TypeVar("TransportT")

TIMEOUT = 60.0
TRIES = 5


class _BaseClient(Generic[HttpT, TransportT]):
    """What both clients share: their options."""

    _open: Callable[..., HttpT]
    """The class of httpx2's client."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        deadline: float | None = None,
        tries: int = TRIES,
        transport: TransportT | None = None,
    ) -> None:
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = self._open(base_url=url, headers=headers, transport=transport)
        self._policy = RetryPolicy(timeout, deadline, tries)


class Client(_BaseClient[httpx2.Client, httpx2.BaseTransport]):
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

    A call with many images makes several requests, each small enough for the server, and joins their answers.
    Every call raises `ServerError` if the server refuses it, and `NoAnswerError` if no answer comes in time.
    """

    _open = httpx2.Client

    def classify(self, *images: ImageInput, model: str | None = None, top_k: int | None = None) -> ClassifyAnswer:
        """The most probable classes of each image.

        Arguments:
            images: files by path or content, or images in memory.
            model: None for the server's default one.
            top_k: classes to list; None for five.
        """
        return self._ask(calls.classify(images, model, top_k))

    def patch_semantics(
        self, *images: ImageInput, model: str | None = None, top_k: int | None = None
    ) -> PatchSemanticsAnswer:
        """What each patch of each image looks like; arguments as for `classify`."""
        return self._ask(calls.patch_semantics(images, model, top_k))

    def shares(self, *images: ImageInput, model: str | None = None) -> Array:
        """The share of each class in each patch, [N, C + 1, h, w], `none` last; arguments as for `classify`."""
        return self._ask(calls.shares(images, model))

    def semantic_map(self, image: ImageInput, model: str | None = None) -> bytes:
        """What each patch looks like, drawn over the image: a PNG file."""
        return self._ask(calls.semantic_map(image, model))

    def models(self) -> list[ModelDescription]:
        """The models that are served, the default one first."""
        return self._ask(calls.models())

    def ready(self) -> bool:
        """Whether the server takes requests now; asked once."""
        try:
            return self._http.get("/readyz", timeout=self._policy.timeout).is_success
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
        files, attempts = call.files(), Attempts(self._policy)
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


class AsyncClient(_BaseClient[httpx2.AsyncClient, httpx2.AsyncBaseTransport]):
    """The same for asyncio; its methods are those of `Client`, to be awaited."""

    _open = httpx2.AsyncClient

    async def classify(self, *images: ImageInput, model: str | None = None, top_k: int | None = None) -> ClassifyAnswer:
        """As `Client.classify`."""
        return await self._ask(calls.classify(images, model, top_k))

    async def patch_semantics(
        self, *images: ImageInput, model: str | None = None, top_k: int | None = None
    ) -> PatchSemanticsAnswer:
        """As `Client.patch_semantics`."""
        return await self._ask(calls.patch_semantics(images, model, top_k))

    async def shares(self, *images: ImageInput, model: str | None = None) -> Array:
        """As `Client.shares`."""
        return await self._ask(calls.shares(images, model))

    async def semantic_map(self, image: ImageInput, model: str | None = None) -> bytes:
        """As `Client.semantic_map`."""
        return await self._ask(calls.semantic_map(image, model))

    async def models(self) -> list[ModelDescription]:
        """As `Client.models`."""
        return await self._ask(calls.models())

    async def ready(self) -> bool:
        """As `Client.ready`."""
        try:
            return (await self._http.get("/readyz", timeout=self._policy.timeout)).is_success
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
        attempts = Attempts(self._policy)
        # It reads and encodes images.
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
