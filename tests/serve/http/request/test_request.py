import asyncio
import time

import pytest
from starlette.requests import ClientDisconnect, Request

from serve.errors import BadHeaderError, NotAcceptableError
from serve.http.request import WhileConnected, client_deadline, deadline_of, negotiate
from serve.settings import Settings

OFFERS = ("application/json", "application/x-npy", "image/png")


def with_timeout(timeout: str | None) -> Request:
    headers = [] if timeout is None else [(b"x-request-timeout-ms", timeout.encode())]
    return Request({"type": "http", "headers": headers})


def test_the_earlier_of_the_two_counts() -> None:
    settings = Settings(deadline_ms=1000)
    now = time.monotonic()
    assert client_deadline(with_timeout(None)) == float("inf")
    assert deadline_of(float("inf"), settings) == pytest.approx(now + 1, abs=0.2)
    assert client_deadline(with_timeout("250.5")) == pytest.approx(now + 0.2505, abs=0.2)
    assert deadline_of(now + 0.25, settings) == now + 0.25
    assert deadline_of(now + 99, settings) == pytest.approx(now + 1, abs=0.2)


@pytest.mark.parametrize("text", ["0", "-5", "nan", "soon", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadHeaderError, match=f"X-Request-Timeout-Ms: {text}: must be"):
        client_deadline(with_timeout(text))


def with_client(leave: asyncio.Event) -> Request:
    async def receive() -> dict[str, str]:
        await leave.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


def test_the_work_of_a_client_who_leaves_is_cancelled() -> None:
    cancelled = []

    async def main() -> None:
        leave = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, leave.set)
        async with WhileConnected(with_client(leave)):
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
        async with WhileConnected(with_client(asyncio.Event())):
            await asyncio.sleep(0.01)
            return 7
        raise AssertionError

    assert asyncio.run(main()) == 7


def test_an_error_passes() -> None:
    async def main() -> None:
        async with WhileConnected(with_client(asyncio.Event())):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_a_cancellation_by_others_stays_one() -> None:
    async def main() -> None:
        async with WhileConnected(with_client(asyncio.Event())):
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
        async with WhileConnected(with_client(asyncio.Event())), asyncio.timeout(0.01):
            await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("application/x-npy", "application/x-npy"),
        ("application/json;q=0.5, image/png", "image/png"),
        ("image/png;q=0.2, application/x-npy;q=0.7", "application/x-npy"),
        ("text/html, image/png;q=0.9, */*;q=0.1", "image/png"),
        ("application/*;q=0.5, application/x-npy;q=0.9", "application/x-npy"),
        ("*/*, application/json;q=0", "application/x-npy"),
    ],
)
def test_the_best_offer_is_chosen(accept: str, expected: str) -> None:
    assert negotiate(accept, OFFERS) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/jpeg", "image/png;q=0", "image/png;q=much", "png"])
def test_no_offer_is_an_error_that_lists_them(accept: str) -> None:
    with pytest.raises(NotAcceptableError, match="application/json, application/x-npy, image/png"):
        negotiate(accept, OFFERS)
