"""Calls with more images than the server accepts in one request, split into several requests."""

import math
from typing import Generic, TypeVar

from serve.client.calls import Call, Outcome, ServerError

T = TypeVar("T")

MAX_FILES = 32
MAX_BYTES = 31 * 2**20
"""Limits of a request, which a single large image may exceed: the server's defaults, less the form's overhead."""


class Parts(Generic[T]):
    """Requests of a call, in order; a request that the server refuses as too large is halved."""

    def __init__(self, call: Call[T]) -> None:
        self._call = call
        self._left = call.split(MAX_FILES, MAX_BYTES)
        self._answers: list[T] = []

    def next(self) -> Call[T] | None:
        """Next request to send; None if all have been answered."""
        return self._left[0] if self._left else None

    def take(self, outcome: Outcome) -> None:
        """Record the outcome of that request.

        Raises:
            ServerError, NoAnswerError: the request failed, and smaller requests would fail as well.
        """
        part = self._left[0]
        try:
            self._answers.append(part.result(outcome))
        except ServerError as error:
            if not _is_too_large(error) or len(part.images) < 2:
                raise
            # The remaining requests are just as large.
            count = math.ceil(len(part.images) / 2)
            self._left = [smaller for each in self._left for smaller in each.split(count, MAX_BYTES)]
        else:
            del self._left[0]

    def result(self) -> T:
        """Result of the call, once all requests have been answered.

        Raises:
            NoAnswerError: the responses are from different models.
        """
        if len(self._answers) == 1:
            return self._answers[0]
        assert self._call.join
        return self._call.join(self._answers)


def _is_too_large(error: ServerError) -> bool:
    # A proxy's limits have other codes. An image with too many pixels is too large in any request.
    return error.status == 413 and error.code != "image_too_large"
