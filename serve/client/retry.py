"""Retry policy: which requests are retried, and for how long.

Libraries such as tenacity do not know the request: each try gets the rest of the deadline and honours `Retry-After`.
"""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from serve.client.calls import Call, Outcome
from zoo.errors import InputError

RETRY_STATUSES = (429, 503)
"""Statuses after which a retry may succeed: the server is busy, or shuts down and another one takes over."""

_TRANSIENT = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)

FIRST_BACKOFF = 0.25
"""Maximum pause before the second try, in seconds; doubled before each further one."""
MAX_BACKOFF = 8.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits on the retries of a request; see `Client`.

    Raises:
        InputError: a limit is not positive, or not finite.
    """

    timeout: float
    deadline: float | None
    tries: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} = {value}: must be positive and finite")


class Attempts:
    """Tries of one request, whose time limit starts on construction."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._end = time.monotonic() + policy.timeout
        self._made = 0

    def arguments(self, call: Call[Any], files: Sequence[tuple[str, tuple[str, bytes]]]) -> dict[str, Any]:
        """Arguments for the `request` method of an httpx2 client; `files` is `call.files()`."""
        left = max(self._end - time.monotonic(), 0.001)
        allowed = min(left, self._policy.deadline or math.inf)
        return {
            "method": call.method,
            "url": call.path,
            "params": call.params,
            "files": files or None,
            "headers": {"Accept": call.accept, "X-Request-Timeout-Ms": f"{1000 * allowed:.0f}"},
            # One second more, so that the server's own 504 arrives first.
            "timeout": min(left, allowed + 1),
        }

    def pause(self, outcome: Outcome) -> float | None:
        """Seconds to wait before the next try; None to stop."""
        self._made += 1
        if not is_transient(outcome) or self._made >= self._policy.tries:
            return None
        seconds = random.uniform(0, min(FIRST_BACKOFF * 2 ** (self._made - 1), MAX_BACKOFF))
        if isinstance(outcome, httpx2.Response):
            seconds += retry_after(outcome)
        return seconds if seconds < self._end - time.monotonic() else None


def is_transient(outcome: Outcome) -> bool:
    """Whether a retry may succeed."""
    return (
        outcome.status_code in RETRY_STATUSES
        if isinstance(outcome, httpx2.Response)
        else isinstance(outcome, _TRANSIENT)
    )


def retry_after(response: httpx2.Response) -> float:
    """Pause requested by the `Retry-After` header, in seconds (RFC 9110, section 10.2.3); 0 without it."""
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0)
    except (ValueError, OverflowError):
        return 0
