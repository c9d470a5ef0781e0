"""Retries: which calls are retried, and for how long."""

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
"""Statuses after which the same request may succeed: the server is busy, or shuts down and another takes over."""

_TRANSIENT = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)

FIRST_BACKOFF = 0.25
"""Longest wait before the second try, in seconds; twice as long before each further one."""
MAX_BACKOFF = 8.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of the tries of a request; see `Client`.

    Raises:
        InputError: one of them is not above 0, or not finite.
    """

    timeout: float
    deadline: float | None
    tries: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} = {value}: it must be above 0, and finite")


class Attempts:
    """The tries of one request; its time starts now."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._end = time.monotonic() + policy.timeout
        self._made = 0

    def arguments(self, call: Call[Any], files: Sequence[tuple[str, tuple[str, bytes]]]) -> dict[str, Any]:
        """Arguments for the `request` method of an httpx2 client; `files` are those of the call."""
        left = max(self._end - time.monotonic(), 0.001)
        allowed = min(left, self._policy.deadline or math.inf)
        return {
            "method": call.method,
            "url": call.path,
            "params": call.params,
            "files": files or None,
            "headers": {"Accept": call.accept, "X-Request-Timeout-Ms": f"{1000 * allowed:.0f}"},
            # A second more, so that the server's own 504 arrives first.
            "timeout": min(left, allowed + 1),
        }

    def pause(self, outcome: Outcome) -> float | None:
        """Seconds to wait before another try; None if there is no further try."""
        self._made += 1
        if not is_transient(outcome) or self._made >= self._policy.tries:
            return None
        seconds = random.uniform(0, min(FIRST_BACKOFF * 2 ** (self._made - 1), MAX_BACKOFF))
        if isinstance(outcome, httpx2.Response):
            seconds += retry_after(outcome)
        return seconds if seconds < self._end - time.monotonic() else None


def is_transient(outcome: Outcome) -> bool:
    """Whether the same request may succeed later."""
    return (
        outcome.status_code in RETRY_STATUSES
        if isinstance(outcome, httpx2.Response)
        else isinstance(outcome, _TRANSIENT)
    )


def retry_after(response: httpx2.Response) -> float:
    """Seconds that the server asks to wait (RFC 9110, section 10.2.3); 0 if it does not say."""
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0)
    except (ValueError, OverflowError):
        return 0
