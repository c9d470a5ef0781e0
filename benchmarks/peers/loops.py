"""Loads of benchmarks/serving.py, each sent to all servers in turn."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from peers.contest import Contest
from peers.no_http import Task
from peers.photographs import Kind
from peers.serving_contenders import OURS, PRECISIONS
from peers.turns import ratios

from zoo.runtime import Device

Turns = dict[str, list[dict[str, Any]]]
"""Results of the turns of each server, as JSON."""


class Loops:
    """Sends loads to the servers of a contest.

    Arguments:
        contest: the servers.
        repeats: number of turns per server in a closed loop.
        warmup: seconds before the measured time of a turn.
    """

    def __init__(self, contest: Contest, repeats: int, warmup: float) -> None:
        self._contest = contest
        self._repeats = repeats
        self._warmup = warmup

    def closed(self, kind: Kind, clients: int, seconds: float) -> Turns:
        """Closed loop: each client sends its next request after its last response."""
        times = {"warmup": kind.slow * self._warmup, "seconds": kind.slow * seconds}
        turns: Turns = {name: [] for name in self._contest.names}
        for name in self._in_turn(self._contest.names):
            turns[name].append(self._contest.send(name, kind.name, clients=clients, **times).to_json())
        return turns

    def no_http(self, kind: Kind, model: str, seconds: float, device: Device) -> Turns:
        """The images decoded and computed by threads, by the precisions of the servers."""
        precisions = [one for one in PRECISIONS[device] if f"ours {one}" not in self._contest.left_out]
        turns: Turns = {precision: [] for precision in precisions}
        script = str(Path(__file__).with_name("no_http.py"))
        for precision in self._in_turn(precisions):
            images = self._contest.files[kind.name].images
            task = Task(model, precision, images, self._warmup, kind.slow * seconds, device)
            command = [sys.executable, script, task.to_json()]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            turns[precision].append(json.loads(done.stdout.splitlines()[-1]))
        return turns

    def open(
        self, kind: Kind, share: float, most: Mapping[str, float], seconds: float, seed: int
    ) -> dict[str, dict[str, Any]]:
        """Open loop: requests arrive at random times.

        Arguments:
            kind: kind of images.
            share: load as a share of each server's peak throughput.
            most: peak throughput in requests per second, by server.
            seconds: measured time.
            seed: seed of the times.
        """
        loads = {}
        for name, speed in most.items():
            rate = round(share * speed, 2)
            if rate:
                load = {"rate": rate, "warmup": self._warmup, "seconds": seconds, "seed": seed}
                loads[name] = {"rate": rate} | self._contest.send(name, kind.name, **load).to_json()
        return loads

    def _in_turn(self, names: Sequence[str]) -> Iterator[Any]:
        """The names in the order of each turn, each starting with another one."""
        for turn in range(self._repeats):
            first = turn % len(names) if names else 0
            yield from (*names[first:], *names[:first])


def capacities(closed: Mapping[str, Turns]) -> dict[str, float]:
    """Peak throughput in requests per second of each server in closed loops, as medians over turns."""
    most: dict[str, float] = {}
    for turns in closed.values():
        for name, own in turns.items():
            most[name] = max(most.get(name, 0.0), statistics.median(turn["requests_per_second"] for turn in own))
    return most


def lines(turns: Turns) -> Iterator[str]:
    """Readable results of a closed loop, one line per server."""
    for name, own in turns.items():
        speeds = [turn["requests_per_second"] for turn in own]
        parts = [f"{name}: {statistics.median(speeds):.1f} requests/s"]
        if OURS in turns and all(speeds):
            median, low, high = ratios([turn["requests_per_second"] for turn in turns[OURS]], speeds)
            parts.append(f"{OURS} / it {median:.2f} ({low:.2f} to {high:.2f})")
        for share in ("p50", "p99"):
            times = [turn["latency"][share] for turn in own if turn["latency"]]
            parts += [f"{share} {statistics.median(times):.1f} ms"] if times else []
        counts = {word: sum(turn[word] for turn in own) for word in ("rejected", "failed", "unanswered")}
        yield ", ".join([*parts, *(f"{count} {word}" for word, count in counts.items() if count)])
