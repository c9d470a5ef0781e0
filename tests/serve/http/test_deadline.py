import time

import pytest
from starlette.requests import Request

from serve.errors import BadHeaderError
from serve.http.deadline import client_deadline, deadline_of
from serve.settings import Settings


def request(timeout: str | None) -> Request:
    headers = [] if timeout is None else [(b"x-request-timeout-ms", timeout.encode())]
    return Request({"type": "http", "headers": headers})


def test_the_earlier_of_the_two_counts() -> None:
    settings = Settings(deadline_ms=1000)
    now = time.monotonic()
    assert client_deadline(request(None)) == float("inf")
    assert deadline_of(float("inf"), settings) == pytest.approx(now + 1, abs=0.2)
    assert client_deadline(request("250.5")) == pytest.approx(now + 0.2505, abs=0.2)
    assert deadline_of(now + 0.25, settings) == now + 0.25
    assert deadline_of(now + 99, settings) == pytest.approx(now + 1, abs=0.2)


@pytest.mark.parametrize("text", ["0", "-5", "nan", "soon", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadHeaderError, match=f"X-Request-Timeout-Ms: {text}: it must be a number of milliseconds"):
        client_deadline(request(text))
