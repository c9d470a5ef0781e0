"""Evaluation of the samples of a load."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from peers.load import UNANSWERED, Sample

ACCEPTED = 200
REJECTED = (429, 503)
"""Statuses of an overloaded server."""
SHARES = (50, 90, 99)
"""Percentiles that are reported."""

Percentiles = dict[str, float]
"""Percentiles of latency in milliseconds by name, such as `p50`; empty without requests."""


def percentile(ascending: Sequence[float], share: float) -> float:
    """Percentile by nearest rank: the smallest value that `share` percent of the values do not exceed."""
    return ascending[max(math.ceil(share / 100 * len(ascending)), 1) - 1]


def percentiles(seconds: Iterable[float]) -> Percentiles:
    """Percentiles `SHARES` of times in seconds."""
    ascending = sorted(seconds)
    return {f"p{share}": round(1000 * percentile(ascending, share), 3) for share in SHARES if ascending}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of the requests in a measured time."""

    requests: int
    rejected: int
    failed: int
    """Broken connections and answers of any other status."""
    unanswered: int
    """Requests unanswered at the end of the patience."""
    requests_per_second: float
    """Successful responses per second."""
    latency: Percentiles
    """Latency of successful responses and of unanswered requests, which took at least as long as was waited."""
    rejection: Percentiles
    """Latency of rejections."""
    lateness: Percentiles
    """Delay in the load generator, from when requests were due until their first byte was sent."""

    @property
    def rejected_share(self) -> float:
        return self.rejected / self.requests if self.requests else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def outcome(samples: Iterable[Sample], seconds: float, closed: bool, start: float = 0.0) -> Outcome:
    """Evaluate a measured time of a load.

    Throughput counts responses that arrived in that time. Everything else counts requests that were due in it, however
    late their responses. In a closed loop, those answered in it count, since the last ones have less competition, and
    those never answered.

    Arguments:
        samples: samples of the load.
        seconds: length of the time.
        closed: whether the load was a closed loop.
        start: start of the time, in seconds after that of the load's measured time.
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
