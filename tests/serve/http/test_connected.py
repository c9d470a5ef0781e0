import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from serve.http.connected import WhileConnected


def request(leave: asyncio.Event) -> Request:
    async def receive() -> dict[str, str]:
        await leave.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


def test_the_work_of_a_client_who_leaves_is_cancelled() -> None:
    cancelled = []

    async def main() -> None:
        leave = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, leave.set)
        async with WhileConnected(request(leave)):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

    with pytest.raises(ClientDisconnect):
        asyncio.run(main())
    assert cancelled


def test_that_of_one_who_stays_is_not() -> None:
    async def main() -> int:
        async with WhileConnected(request(asyncio.Event())):
            await asyncio.sleep(0.01)
            return 7
        raise AssertionError

    assert asyncio.run(main()) == 7


def test_an_error_passes() -> None:
    async def main() -> None:
        async with WhileConnected(request(asyncio.Event())):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_a_cancellation_by_others_stays_one() -> None:
    async def main() -> None:
        async with WhileConnected(request(asyncio.Event())):
            await asyncio.sleep(10)

    async def outer() -> None:
        task = asyncio.create_task(main())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(outer())


def test_a_deadline_within_it_is_still_a_deadline() -> None:
    async def main() -> None:
        async with WhileConnected(request(asyncio.Event())), asyncio.timeout(0.01):
            await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
