"""Work that ends when its client leaves."""

import asyncio
from types import TracebackType
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive


class WhileConnected:
    """Cancels the body of an `async with` statement when the client of a request, whose body was read, leaves.

    Raises:
        ClientDisconnect: it left.
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


async def _watch(receive: Receive, task: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
