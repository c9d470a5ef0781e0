"""Classification by a running server, through its Python client."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Self

from serve.client import Client, ClientError, ServerError
from zoo.answers import ClassShare, resolve_top_k
from zoo.classify.answers import Answer, Failure
from zoo.classify.sources import Source
from zoo.errors import ZooError, find_name, reason_of
from zoo.parallel import batched, map_in_order

BATCH = 16
"""Images per request."""

REQUESTS = 4
"""Requests at once, so that images are read while others are computed."""

REFUSALS = (413, 415, 422)
"""Statuses with which the server refuses an image."""


class ServerClassifier:
    """A `zoo.classify.Classifier` that asks a server.

    Raises (also while answering):
        ClientError: the server does not answer, or with an error that is not about an image.
        UnknownNameError: it does not serve the model.
    """

    def __init__(self, url: str, model: str | None, top_k: int | None, api_key: str | None = None) -> None:
        """Connect to a server.

        Arguments:
            url: base URL of the server.
            model: name or variant of a model that it serves; None for its default.
            top_k: number of classes of each answer; see `zoo.answers.resolve_top_k`.
            api_key: API key, if the server requires one.
        """
        self._client = Client(url, api_key=api_key)
        try:
            served = {each.name: each for each in self._client.models()}
            if not served:
                raise ClientError(f"the server at {url} serves no models")
            described = served[find_name("model", model, served) if model else next(iter(served))]
            self.top_k = resolve_top_k(top_k, tuple(described.classes))
        except BaseException as error:
            self._client.close()
            if isinstance(error, ServerError) and error.status == HTTPStatus.UNAUTHORIZED:
                raise ClientError(f"{error} (give --api-key, or set ZOO_CLIENT_API_KEY)") from None
            raise
        self.identity = {name: getattr(described, name) for name in ("name", "variant", "data", "weights_sha256")}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    def answers(self, sources: Iterable[Source]) -> Iterator[list[Answer | Failure]]:
        return map_in_order(self._answer, batched(sources, BATCH), REQUESTS)

    def _answer(self, sources: list[Source]) -> list[Answer | Failure]:
        files: list[tuple[str, bytes]] = []
        failures: list[Answer | Failure] = []
        for source in sources:
            try:
                files.append((source.name, source.read()))
            except (OSError, ZooError) as error:
                failures.append(Failure(source.name, reason_of(error)))
        return failures + self._ask(files)

    def _ask(self, files: list[tuple[str, bytes]]) -> list[Answer | Failure]:
        """Answers for files; if the server refuses one of them, the request is halved until it is alone."""
        if not files:
            return []
        try:
            answer = self._client.classify(*(data for _, data in files), model=self.identity["name"], top_k=self.top_k)
        except ServerError as error:
            if error.status not in REFUSALS:
                raise
            if len(files) == 1:
                return [Failure(files[0][0], error.message.removeprefix("image 1: "))]
            half = len(files) // 2
            return self._ask(files[:half]) + self._ask(files[half:])
        return [
            Answer(
                name,
                result.image.width,
                result.image.height,
                result.box,
                [ClassShare(each.label, each.probability) for each in result.classes],
            )
            for (name, _), result in zip(files, answer.results, strict=True)
        ]
