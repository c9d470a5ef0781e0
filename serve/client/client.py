"""Synchronous and asynchronous client."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import httpx2

from serve.client import calls
from serve.client.calls import Call, ImageInput, Outcome
from serve.client.parts import Parts
from serve.client.retry import Attempts, RetryPolicy
from serve.schemas import ClassifyAnswer, ModelDescription, OcclusionAnswer, PatchSemanticsAnswer, SearchAnswer
from zoo.outputs import Array

T = TypeVar("T")
HttpT = TypeVar("HttpT")
TransportT = TypeVar("TransportT")

TIMEOUT = 60.0
TRIES = 5


class _BaseClient(Generic[HttpT, TransportT]):
    """Base class of both clients, with their options."""

    _open: Callable[..., HttpT]
    """httpx2's client class."""

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
    """Client of a server, which retries if the server is busy or briefly unavailable; thread-safe.

        with Client("http://localhost:8000") as client:
            print(client.classify("cat.jpg").results[0].classes[0].label)

    Arguments:
        url: base URL of the server.
        api_key: API key, if the server requires one.
        timeout: time limit of a request in seconds, including all tries and the pauses between them.
        deadline: time limit of one try in seconds; None for the rest of `timeout`. It is sent to the server, which
            drops requests whose deadline has passed.
        tries: maximum number of tries.
        transport: httpx2 transport, for certificates, proxies and tests; None for the default one.

    Raises:
        InputError: a limit is not positive, or not finite.

    A call with many images is sent as several requests within the server's limits, whose results are joined.
    Every call raises `ServerError` if the server responds with an error, and `NoAnswerError` if there is no response
    in time.
    """

    _open = httpx2.Client

    def classify(self, *images: ImageInput, model: str | None = None, top_k: int | None = None) -> ClassifyAnswer:
        """Most probable classes of each image.

        Arguments:
            images: paths, file contents or Pillow images.
            model: name of the model; None for the server's default.
            top_k: number of classes to list; None for five.
        """
        return self._ask(calls.classify(images, model, top_k))

    def patch_semantics(
        self, *images: ImageInput, model: str | None = None, top_k: int | None = None
    ) -> PatchSemanticsAnswer:
        """Classes that each patch of each image looks like; arguments as for `classify`."""
        return self._ask(calls.patch_semantics(images, model, top_k))

    def shares(self, *images: ImageInput, model: str | None = None) -> Array:
        """Shares of the classes in each patch, [N, C + 1, h, w], `none` last; arguments as for `classify`."""
        return self._ask(calls.shares(images, model))

    def embed(self, *images: ImageInput, model: str | None = None) -> Array:
        """Embeddings [N, D] of images; arguments as for `classify`."""
        return self._ask(calls.embed(images, model))

    def search(
        self, *images: ImageInput, k: int | None = None, threshold: float | None = None, thumbnails: bool = False
    ) -> SearchAnswer:
        """Images of the server's index that are most like each image.

        Arguments:
            images: as for `classify`.
            k: number of images to find; None for ten, or all.
            threshold: smallest cosine of what is found; None for any.
            thumbnails: whether to answer with thumbnails, as data URIs.
        """
        return self._ask(calls.search(images, k, threshold, thumbnails))

    def semantic_map(self, image: ImageInput, model: str | None = None) -> bytes:
        """Semantic map drawn over the image, as the contents of a PNG file."""
        return self._ask(calls.semantic_map(image, model))

    def occlusion(self, image: ImageInput, model: str | None = None, label: str | None = None) -> OcclusionAnswer:
        """How far the logit of a class falls when each part of the image is covered.

        Arguments:
            image: path, file contents or Pillow image.
            model: name of the model; None for the server's default.
            label: class to explain; None for the most probable one.
        """
        return self._ask(calls.occlusion(image, model, label))

    def models(self) -> list[ModelDescription]:
        """Served models, the default one first."""
        return self._ask(calls.models())

    def ready(self) -> bool:
        """Whether the server is ready to accept requests; no retries."""
        try:
            return self._http.get("/readyz", timeout=self._policy.timeout).is_success
        except httpx2.RequestError:
            return False

    def close(self) -> None:
        """Close all connections, as leaving a `with` statement does."""
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
    """Asynchronous counterpart of `Client`, with the same methods, to be awaited."""

    _open = httpx2.AsyncClient

    async def classify(self, *images: ImageInput, model: str | None = None, top_k: int | None = None) -> ClassifyAnswer:
        """See `Client.classify`."""
        return await self._ask(calls.classify(images, model, top_k))

    async def patch_semantics(
        self, *images: ImageInput, model: str | None = None, top_k: int | None = None
    ) -> PatchSemanticsAnswer:
        """See `Client.patch_semantics`."""
        return await self._ask(calls.patch_semantics(images, model, top_k))

    async def shares(self, *images: ImageInput, model: str | None = None) -> Array:
        """See `Client.shares`."""
        return await self._ask(calls.shares(images, model))

    async def embed(self, *images: ImageInput, model: str | None = None) -> Array:
        """See `Client.embed`."""
        return await self._ask(calls.embed(images, model))

    async def search(
        self, *images: ImageInput, k: int | None = None, threshold: float | None = None, thumbnails: bool = False
    ) -> SearchAnswer:
        """See `Client.search`."""
        return await self._ask(calls.search(images, k, threshold, thumbnails))

    async def semantic_map(self, image: ImageInput, model: str | None = None) -> bytes:
        """See `Client.semantic_map`."""
        return await self._ask(calls.semantic_map(image, model))

    async def occlusion(self, image: ImageInput, model: str | None = None, label: str | None = None) -> OcclusionAnswer:
        """See `Client.occlusion`."""
        return await self._ask(calls.occlusion(image, model, label))

    async def models(self) -> list[ModelDescription]:
        """See `Client.models`."""
        return await self._ask(calls.models())

    async def ready(self) -> bool:
        """See `Client.ready`."""
        try:
            return (await self._http.get("/readyz", timeout=self._policy.timeout)).is_success
        except httpx2.RequestError:
            return False

    async def close(self) -> None:
        """Close all connections, as leaving an `async with` statement does."""
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
        # In a thread, since it reads and encodes images.
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
