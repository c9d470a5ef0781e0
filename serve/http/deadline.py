"""How long a request may take, as the server and the client say."""

import time

from starlette.requests import Request

from serve.errors import BadHeaderError
from serve.settings import Settings

TIMEOUT_HEADER = "X-Request-Timeout-Ms"


def client_deadline(request: Request) -> float:
    """When the client no longer waits, on the clock of `time.monotonic`: counted from now, infinity if it does not say.

    Raises:
        BadHeaderError: the header is not a number of milliseconds above 0.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return float("inf")
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = float("nan")
    if not milliseconds > 0:
        raise BadHeaderError(f"{TIMEOUT_HEADER}: {text}: it must be a number of milliseconds above 0, such as 500")
    return time.monotonic() + milliseconds / 1000


def deadline_of(of_client: float, settings: Settings) -> float:
    """The deadline of a request whose body is there now, on the clock of `time.monotonic`."""
    return min(time.monotonic() + settings.deadline_ms / 1000, of_client)
