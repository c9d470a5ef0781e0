"""Sending a load to a server from a separate process, with the results."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from peers.load import Load, Sample
from peers.outcome import Outcome, outcome
from peers.server_process import Server


@dataclass(frozen=True, slots=True)
class Driven:
    """A load that was sent."""

    load: Load
    samples: tuple[Sample, ...]
    server_cpu_seconds: float
    """CPU seconds of all its processes in the measured time."""
    generator_cpu_seconds: float

    def outcome(self) -> Outcome:
        """Outcome over the whole measured time."""
        return outcome(self.samples, self.load.seconds, closed=self.load.clients > 0)

    def to_json(self) -> dict[str, Any]:
        """Results as JSON, without the samples."""
        own = {name: round(getattr(self, name), 3) for name in ("server_cpu_seconds", "generator_cpu_seconds")}
        return {"seconds": self.load.seconds} | self.outcome().to_json() | own


def drive(server: Server, load: Load) -> Driven:
    """Send a load.

    Raises:
        RuntimeError: the load generator failed.
    """
    command = [sys.executable, "-m", "peers.load"]
    folder = Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin:
            process.stdin.write(load.to_json())
        _expect(process.stdout, "begin")
        used = server.cpu_seconds()
        _expect(process.stdout, "end")
        used = server.cpu_seconds() - used
        record = json.loads(process.stdout.read())
    samples = tuple(Sample(*sample) for sample in record["samples"])
    return Driven(load, samples, used, record["cpu_seconds"])


def _expect(output: IO[str], word: str) -> None:
    line = output.readline()
    if line.strip() != word:
        raise RuntimeError(f"the load generator wrote {line!r}, expected {word!r}; see its error above")
