"""Work that ends when its client leaves."""

import asyncio
from types import TracebackType

from starlette.requests import ClientDisconnect, Request


class WhileConnected:
    """Cancels the body of an `async with` statement when the client of a request, whose body was read, leaves.

    Raises:
        ClientDisconnect: it left.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._gone = False

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watcher.cancel()
        if self._gone and self._task is not None:
            # Another's cancellation goes on: only our own is taken back.
            left = self._task.uncancel()
            if kind is asyncio.CancelledError and not left:
                raise ClientDisconnect from None

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task is not None:
            self._task.cancel()
