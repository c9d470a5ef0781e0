"""What the samples of a load say of a server."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from peers.load import UNANSWERED, Sample

ACCEPTED = 200
REJECTED = (429, 503)
"""Statuses of a server that has too much to do."""
SHARES = (50, 90, 99)
"""Of the requests, in percent, whose times are given."""

Percentiles = dict[str, float]
"""Milliseconds within which a share of requests was answered, by its name, `p50`; empty without requests."""


def percentile(ascending: Sequence[float], share: float) -> float:
    """The least value that at least `share` percent of the values do not exceed (the nearest rank)."""
    return ascending[max(math.ceil(share / 100 * len(ascending)), 1) - 1]


def percentiles(seconds: Iterable[float]) -> Percentiles:
    """The `SHARES` of times in seconds."""
    ascending = sorted(seconds)
    return {f"p{share}": round(1000 * percentile(ascending, share), 3) for share in SHARES if ascending}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the requests of a measured time."""

    requests: int
    rejected: int
    failed: int
    """Broken connections and answers of any other status."""
    unanswered: int
    """When patience ended."""
    requests_per_second: float
    """Answers with what was asked for."""
    latency: Percentiles
    """Of these, and of the unanswered ones, which took at least as long as they were waited for."""
    rejection: Percentiles
    """Of the rejected ones."""
    lateness: Percentiles
    """Of the load generator: from when requests were due until their first byte left."""

    @property
    def rejected_share(self) -> float:
        return self.rejected / self.requests if self.requests else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def outcome(samples: Iterable[Sample], seconds: float, closed: bool, start: float = 0.0) -> Outcome:
    """Sum up a measured time of a load.

    Answers count for the speed if they came in that time. For everything else those requests count that were due in
    it, however late their answers came. In a closed loop those count that were answered in it, as the last ones had
    fewer others beside them, and those that never were.

    Arguments:
        samples: of the load.
        seconds: the length of the time.
        closed: whether the load was a closed loop.
        start: of the time, in seconds after the load's measured time began.
    """
    every = list(samples)
    stop = start + seconds
    in_time = [one for one in every if start <= one.due + one.took < stop and one.status != UNANSWERED]
    if closed:
        counted = in_time + [one for one in every if one.status == UNANSWERED]
    else:
        counted = [one for one in every if start <= one.due < stop]
    by_status: dict[int, list[Sample]] = {}
    for one in counted:
        by_status.setdefault(one.status, []).append(one)
    accepted, unanswered = by_status.get(ACCEPTED, []), by_status.get(UNANSWERED, [])
    rejected = [one for status in REJECTED for one in by_status.get(status, [])]
    return Outcome(
        requests=len(counted),
        rejected=len(rejected),
        failed=len(counted) - len(accepted) - len(unanswered) - len(rejected),
        unanswered=len(unanswered),
        requests_per_second=round(sum(one.status == ACCEPTED for one in in_time) / seconds, 2),
        latency=percentiles(one.took for one in (*accepted, *unanswered)),
        rejection=percentiles(one.took for one in rejected),
        lateness=percentiles(one.sent for one in counted),
    )
