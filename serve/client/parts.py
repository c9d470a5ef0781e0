"""Calls with more images than a server takes at once, made as several requests."""

import math
from typing import Generic, TypeVar

from serve.client.calls import Call, Outcome, ServerError

T = TypeVar("T")

MAX_FILES = 32
MAX_BYTES = 31 * 2**20
"""Limits of one request, unless one image alone has more: a server's defaults, with room for the form."""


class Parts(Generic[T]):
    """The requests of a call, in order. A request that the server refuses as too large is halved."""

    def __init__(self, call: Call[T]) -> None:
        self._call = call
        self._left = call.split(MAX_FILES, MAX_BYTES)
        self._answers: list[T] = []

    def next(self) -> Call[T] | None:
        """The request to make now; None if all have their answers."""
        return self._left[0] if self._left else None

    def take(self, outcome: Outcome) -> None:
        """Record the outcome of that request.

        Raises:
            ServerError, NoAnswerError: it has no answer, and smaller requests would have none either.
        """
        part = self._left[0]
        try:
            self._answers.append(part.result(outcome))
        except ServerError as error:
            if not _is_too_large(error) or len(part.images) < 2:
                raise
            # The others are as large.
            count = math.ceil(len(part.images) / 2)
            self._left = [smaller for each in self._left for smaller in each.split(count, MAX_BYTES)]
        else:
            del self._left[0]

    def result(self) -> T:
        """The answer to the call, once all requests have theirs.

        Raises:
            NoAnswerError: they do not fit together.
        """
        if len(self._answers) == 1:
            return self._answers[0]
        assert self._call.join
        return self._call.join(self._answers)


def _is_too_large(error: ServerError) -> bool:
    # A proxy has limits too, and other codes. An image with too many pixels stays too large in a smaller request.
    return error.status == 413 and error.code != "image_too_large"
