"""How often a client may ask."""

import math
import time
from collections.abc import Callable

from serve.shared import SharedTimes


class RateLimit:
    """A token bucket for each client, as the generic cell rate algorithm (ITU-T I.371): one time a client says all.

    Arguments:
        rate: requests a second.
        burst: requests at once after a pause; 0 for those of one second.
        full_at: when each client's bucket is full again; who was forgotten there has a full one.
        clock: in seconds, the same for all who share these times.
    """

    def __init__(
        self, rate: float, burst: int, full_at: SharedTimes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self._interval = 1 / rate
        self._tolerance = (burst or math.ceil(rate)) * self._interval
        self._full_at = full_at
        self._clock = clock

    def take(self, client: str) -> float:
        """Count a request; 0 if it may be answered, else the seconds after which the next may."""
        now = self._clock()
        full_at = max(self._full_at[client], now) + self._interval
        wait = full_at - now - self._tolerance
        # The sums of floating-point intervals must not cost the last request of a burst.
        if wait >= 1e-6:
            return wait
        self._full_at[client] = full_at
        return 0.0
