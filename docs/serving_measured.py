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
DEFAULT = "ours"
"""Our server with default settings, which include the precision."""
TUNED = "FastAPI, tuned, "
"""Beginning of the name of the peers written for speed; a record without them has no strongest peer."""
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
def by_model() -> dict[str, dict[str, Any]]:
    """The comparisons of servers on a CPU, by model, the default one first."""
    others = (_read(file.name) for file in sorted(RESULTS.glob("serving.*.json")))
    return {
        record["model"]: record for record in (serving(), *others) if record and record["machine"]["device"] == "cpu"
    }


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


@dataclass(frozen=True, slots=True)
class Rival:
    """The fastest peer of one precision in a closed loop."""

    name: str
    row: Row
    times: tuple[float, float, float]
    """Speed of one of our servers relative to it: median, smallest and largest of the rounds."""


def strongest_peer(record: Mapping[str, Any], kind: str, clients: str, name: str, precision: str) -> Rival | None:
    """The fastest peer that computes a file of this precision, compared with one of our servers; None if the tuned one
    of this precision was not measured.
    """
    loop = record.get("closed", {}).get(kind, {}).get(clients, {})
    rows = closed_loop(record, kind, clients)
    peers = [peer for peer in rows if not peer.startswith(DEFAULT) and _precision(record, peer) == precision]
    if TUNED + precision not in peers:
        return None
    best = max(peers, key=lambda peer: rows[peer].requests_per_second)
    times = _times(loop[name], loop[best])
    return Rival(best, rows[best], times) if times else None


def no_http(record: Mapping[str, Any], kind: str) -> dict[str, float]:
    """Images per second without HTTP, by precision."""
    measured = record.get("no_http", {}).get(kind, {})
    return {
        precision: statistics.median(turn["images_per_second"] for turn in turns)
        for precision, turns in measured.items()
        if turns
    }


def _row(record: Mapping[str, Any], kind: str, turns: Sequence[Turn], ours: Sequence[Turn] | None, name: str) -> Row:
    speed = statistics.median(turn["requests_per_second"] for turn in turns)
    bound = no_http(record, kind).get(_precision(record, name))
    answered = [turn["latency"] for turn in turns if turn["latency"]]
    requests = sum(turn["requests"] for turn in turns)
    used = statistics.median(turn["server_cpu_seconds"] / turn["seconds"] for turn in turns)
    return Row(
        speed,
        _times(ours, turns) if ours else None,
        speed / bound if bound else None,
        {share: statistics.median(latency[share] for latency in answered) for share in (answered or [{}])[0]},
        sum(turn["rejected"] for turn in turns) / requests if requests else 0.0,
        sum(turn["failed"] + turn["unanswered"] for turn in turns),
        1000 * used / speed if speed else None,
        statistics.median(turn["generator_cpu_seconds"] / turn["seconds"] for turn in turns),
    )


def _times(ours: Sequence[Turn], theirs: Sequence[Turn]) -> tuple[float, float, float] | None:
    """Ratios of the speeds by round: median, smallest and largest; None where the other server answered nothing."""
    speeds = [turn["requests_per_second"] for turn in theirs]
    if not all(speeds):
        return None
    ratios = [mine["requests_per_second"] / other for mine, other in zip(ours, speeds, strict=False)]
    return statistics.median(ratios), min(ratios), max(ratios)


def _precision(record: Mapping[str, Any], name: str) -> str:
    """Precision in which a server computes."""
    if name == DEFAULT:
        return str(record["default"]["precision"])
    return "int8" if "int8" in name else "fp32"


def _read(name: str) -> dict[str, Any]:
    file = RESULTS / name
    record: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return record
