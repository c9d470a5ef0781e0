"""How often a client may ask."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS = 10_000
"""Clients that are remembered; of more, those that asked longest ago are forgotten, and start anew."""


class RateLimit:
    """A token bucket for each client, as the generic cell rate algorithm (ITU-T I.371): one time a client says all.

    Arguments:
        rate: requests a second.
        burst: requests at once after a pause; 0 for those of one second.
        clients: that are remembered.
        clock: in seconds.
    """

    def __init__(
        self, rate: float, burst: int = 0, clients: int = CLIENTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self._interval = 1 / rate
        self._tolerance = (burst or math.ceil(rate)) * self._interval
        self._clients = clients
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When each client's bucket is full again."""

    def take(self, client: str) -> float:
        """Count a request; 0 if it may be answered, else the seconds after which the next may."""
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now) + self._interval
        wait = full_at - now - self._tolerance
        # The sums of floating-point intervals must not cost the last request of a burst.
        passes = wait < 1e-6
        if passes:
            self._full_at[client] = full_at
        self._full_at.move_to_end(client)
        if len(self._full_at) > self._clients:
            self._full_at.popitem(last=False)
        return 0.0 if passes else wait
