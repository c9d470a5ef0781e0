"""What benchmarks/serving.py and benchmarks/soak.py measured, for the tables and the images of docs/serving.md."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from measured import ROOT

RESULTS = ROOT / "benchmarks" / "results"
IMAGE, SOAK_IMAGE = "serving.svg", "serving-soak.svg"

OURS = "ours fp32"
"""The server that the others are compared with."""
COMPARED_CLIENTS = "32"
DETAILED = "640x480"
"""Image size for which every number of clients is shown."""

Turn = Mapping[str, Any]
"""Result of one round of a server."""


@cache
def serving() -> dict[str, Any]:
    """The comparison of servers; empty without a record."""
    return _read("serving.json")


@cache
def soak() -> dict[str, Any]:
    """The long load and the overload; empty without a record."""
    return _read("soak.json")


@dataclass(frozen=True, slots=True)
class Row:
    """A server in one closed loop: medians over its rounds."""

    requests_per_second: float
    times: tuple[float, float, float] | None
    """Speed of ours relative to it: median, smallest and largest of the rounds; None where it answered nothing."""
    of_no_http: float | None
    """Its speed relative to the same images without HTTP."""
    latency: Mapping[str, float]
    """Percentiles in milliseconds, by name."""
    rejected: float
    """Share of the requests of all rounds that were refused."""
    failed: int
    """Number of requests of all rounds with another answer, or none."""
    cpu_ms: float | None
    """CPU time of the server per request."""
    generator: float
    """Cores used by the load generator."""


def closed_loop(record: Mapping[str, Any], kind: str, clients: str) -> dict[str, Row]:
    """One closed loop, by server; empty if it was not measured."""
    loop = record.get("closed", {}).get(kind, {}).get(clients, {})
    return {name: _row(record, kind, turns, loop.get(OURS), name) for name, turns in loop.items() if turns}


def no_http(record: Mapping[str, Any], kind: str) -> dict[str, float]:
    """Images per second without HTTP, by precision."""
    measured = record.get("no_http", {}).get(kind, {})
    return {
        precision: statistics.median(turn["images_per_second"] for turn in turns)
        for precision, turns in measured.items()
        if turns
    }


def _row(record: Mapping[str, Any], kind: str, turns: Sequence[Turn], ours: Sequence[Turn] | None, name: str) -> Row:
    speeds = [turn["requests_per_second"] for turn in turns]
    speed = statistics.median(speeds)
    times = None
    if ours and all(speeds):
        ratios = [mine["requests_per_second"] / other for mine, other in zip(ours, speeds, strict=False)]
        times = (statistics.median(ratios), min(ratios), max(ratios))
    bound = no_http(record, kind).get("int8" if "int8" in name else "fp32")
    answered = [turn["latency"] for turn in turns if turn["latency"]]
    requests = sum(turn["requests"] for turn in turns)
    used = statistics.median(turn["server_cpu_seconds"] / turn["seconds"] for turn in turns)
    return Row(
        speed,
        times,
        speed / bound if bound else None,
        {share: statistics.median(latency[share] for latency in answered) for share in (answered or [{}])[0]},
        sum(turn["rejected"] for turn in turns) / requests if requests else 0.0,
        sum(turn["failed"] + turn["unanswered"] for turn in turns),
        1000 * used / speed if speed else None,
        statistics.median(turn["generator_cpu_seconds"] / turn["seconds"] for turn in turns),
    )


def _read(name: str) -> dict[str, Any]:
    file = RESULTS / name
    record: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return record
