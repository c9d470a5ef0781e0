"""Good requests, sent all the time while something bad happens beside them."""

import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Self

PAUSE = 0.01
"""Seconds between an answer and the next request."""


class Load:
    """A few clients that ask while a `with` statement lasts.

    Arguments:
        url: of the server.
        image: a PNG file.
        clients: threads with a connection each.
    """

    def __init__(self, url: str, image: bytes, clients: int = 2) -> None:
        self.outcomes: Counter[int | str] = Counter()
        """How often there was a status, or a failure."""
        self._address = url.removeprefix("http://")
        self._image = image
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait(self, answers: int = 20) -> None:
        """Until so many more answers have come."""
        target, deadline = self.outcomes.total() + answers, time.monotonic() + 20
        while self.outcomes.total() < target:
            assert time.monotonic() < deadline, self.outcomes
            time.sleep(PAUSE)

    def _ask(self) -> None:
        connection = HTTPConnection(self._address, timeout=20)
        while not self._ended.wait(PAUSE):
            try:
                connection.request("POST", "/classify", self._image, {"Content-Type": "image/png"})
                response = connection.getresponse()
                response.read()
                self.outcomes[response.status] += 1
            except (OSError, HTTPException) as error:
                self.outcomes[repr(error)] += 1
                connection.close()
        connection.close()
