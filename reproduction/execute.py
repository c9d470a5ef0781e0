"""Execution of a plan: a process per unfinished run, its measurements, and the record of the results."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from reproduction.plan import Run
from reproduction.records import Record, parse_record, read_record, record_of, write_record
from training.checkpoint import CHECKPOINT_FILE, MODEL_FOLDER
from training.interrupt import stop_on_signal
from zoo.errors import InputError, ZooError
from zoo.machine import cores
from zoo.package import Package

TRAINER = (sys.executable, "-P", "-m", "zoo")
"""Command for `Run.arguments`; `-P`, since a `zoo.py` in the working directory would be run instead."""

OUTPUT_FILE = "output.log"
"""Output of a run, in its folder."""

POLL_SECONDS = 0.1

State = Literal["done", "half-done", "to do"]


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """Limit on the time of an execution."""

    minutes: float
    estimate: Callable[[Run], float]
    """Minutes that a run will take."""
    clock: Callable[[], float] = time.monotonic
    """Current time in seconds."""


class UnfinishedError(ZooError):
    """Runs of a plan are unfinished: they failed, or a signal requested a stop."""


def require_test_splits(runs: Sequence[Run]) -> None:
    """Check that the data sets of runs have test splits, before any network is trained.

    Raises:
        InputError: a folder has no test split.
    """
    from training.data.data_set import open_splits

    for source in sorted({run.source for run in runs if not run.hold_out and os.path.exists(run.source)}):
        if open_splits(source).test is None:
            raise InputError(
                f"{source} has no test split, which the table needs; zoo train --hold-out holds out images instead"
            )


def state(run: Run, runs: Path, records: Path) -> State:
    """State of a run.

    Raises:
        RecordError: its record is damaged, or belongs to another run.
    """
    file = records / f"{run.name}.json"
    if file.exists():
        record = read_record(file)
        run.check(record)
        if run.is_measured(record):
            return "done"
    return "half-done" if (runs / run.name / CHECKPOINT_FILE).exists() else "to do"


def execute(
    planned: Sequence[Run],
    runs: Path,
    records: Path,
    at_once: int,
    device: str,
    *,
    trainer: Sequence[str],
    say: Callable[[str], None],
    limit: TimeLimit | None = None,
) -> None:
    """Execute runs, each in a separate process, so that they fail independently; each writes its record when done.

    Within a time limit, a run starts only if its estimated time fits, in the order of the plan; if none fits from the
    start, the first is begun nevertheless. When time is up, the runs in progress save and stop.

    Arguments:
        planned: the runs in order.
        runs: folder with a sub-folder per run for its checkpoint, model and `output.log`, from which it resumes.
        records: folder of the records.
        at_once: number of concurrent processes.
        device: device of the processes.
        trainer: command to which a run's arguments are appended.
        say: called with a line when a run starts and when it ends.
        limit: limit on the time, after which this returns with runs left; None for no limit.

    Raises:
        InputError: `at_once` is not above 0.
        UnfinishedError: runs failed (the others are finished), or Ctrl-C or SIGTERM stopped them (they are saved).
    """
    if at_once < 1:
        raise InputError(f"at_once = {at_once}: must be above 0")
    execution = _Execution(len(planned), runs, records, at_once, device, trainer, say)
    waiting = list(enumerate(planned, start=1))
    until = limit.clock() + 60 * limit.minutes if limit else math.inf

    def fitting() -> int | None:
        """Index of the first waiting run that fits in the time left."""
        if not limit or not waiting:
            return 0 if waiting else None
        left = (until - limit.clock()) / 60
        found = (index for index, (_, run) in enumerate(waiting) if limit.estimate(run) <= left)
        return next(found, 0 if len(waiting) == len(planned) else None)

    with stop_on_signal() as stop:
        try:
            while True:
                time_is_up = limit is not None and limit.clock() >= until
                if stop.received or time_is_up:
                    execution.stop("stopping" if stop.received else "time is up")
                elif len(execution.working) < at_once and (index := fitting()) is not None:
                    execution.start(*waiting.pop(index))
                    continue
                if not execution.working:
                    break
                execution.collect()
                time.sleep(POLL_SECONDS)
        finally:
            execution.kill()
        stopped = stop.received
    if stopped and execution.done < len(planned):
        finished = f"{execution.done} of {len(planned)}"
        raise UnfinishedError(f"stopped with {finished} runs finished; run the same command to resume")
    if execution.failed:
        raise UnfinishedError(
            f"{len(execution.failed)} of {len(planned)} runs failed: {', '.join(execution.failed)}; "
            f"see {runs}/NAME/{OUTPUT_FILE}; run the same command to retry"
        )


def require_used_blocks(planned: Sequence[Run], records: Path) -> None:
    """Refuse rows of the table whose networks ignore their semantic block.

    Raises:
        UnfinishedError: there are such rows; with the measurements of each.
    """
    found = [(run, read_record(records / f"{run.name}.json").probe) for run in planned if run.has_block]
    refused = [
        f"{run.name}: {probe.verdict if probe else 'not probed'}" for run, probe in found if not (probe and probe.used)
    ]
    if refused:
        raise UnfinishedError(
            f"{len(refused)} of {len(planned)} rows do not use their semantic block; change the recipe, remove their "
            "records and run the same command again:\n  " + "\n  ".join(refused)
        )


@dataclass(frozen=True, slots=True)
class _Job:
    """A run in progress."""

    run: Run
    place: str
    """Position in the plan."""
    process: subprocess.Popen[bytes]
    remaining: Sequence[Sequence[str]]
    """Arguments of the commands that follow this process."""


@dataclass(slots=True)
class _Execution:
    """State of the execution of a plan."""

    planned: int
    runs: Path
    records: Path
    at_once: int
    device: str
    trainer: Sequence[str]
    say: Callable[[str], None]
    working: list[_Job] = field(default_factory=list)
    done: int = 0
    failed: list[str] = field(default_factory=list)
    stopping: bool = False

    def start(self, number: int, run: Run) -> None:
        """Start or resume a run."""
        folder, place = self.runs / run.name, f"[{number}/{self.planned}] {run.name}"
        resumed = state(run, self.runs, self.records) == "half-done"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / OUTPUT_FILE).open("ab") as log:
            if not _lock(log):
                self.failed.append(run.name)
                self.say(f"{place} failed: another process is working in {folder}")
                return
            arguments = [*run.arguments(), "--run-folder", str(folder), "--device", self.device]
            measurements = run.measurements(f"local-dir:{folder / MODEL_FOLDER}")
            self.working.append(_Job(run, place, self._begin(arguments, log), measurements))
        self.say(f"{place} {'resumes' if resumed else 'starts'}")

    def _begin(self, arguments: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        # In its own session, or Ctrl-C in a terminal would reach the run in addition to the signal sent from here.
        return subprocess.Popen(
            [*self.trainer, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            start_new_session=True,
        )

    def _follow(self, job: _Job) -> None:
        """Start the next command of a run."""
        arguments, *remaining = job.remaining
        with (self.runs / job.run.name / OUTPUT_FILE).open("ab") as log:
            self.working.append(_Job(job.run, job.place, self._begin(arguments, log), remaining))

    def collect(self) -> None:
        """Write the records of runs that have ended."""
        for job in [job for job in self.working if job.process.poll() is not None]:
            self.working.remove(job)
            if self.stopping and job.process.returncode:
                self.say(f"{job.place} stopped")
                continue
            if job.remaining and not job.process.returncode:
                self._follow(job)
                continue
            try:
                record = self._recorded(job)
            except ZooError as error:
                self.failed.append(job.run.name)
                self.say(f"{job.place} failed: {error}")
            else:
                self.done += 1
                left = self.planned - self.done - len(self.failed)
                self.say(f"{job.place}: {_summary(record)}; {left} left")

    def stop(self, why: str) -> None:
        """Ask the runs, once, to save and stop."""
        if self.working and not self.stopping:
            self.stopping = True
            self.say(f"{why}: waiting for {len(self.working)} to save; press Ctrl-C again to stop immediately")
            for job in self.working:
                job.process.terminate()

    def kill(self) -> None:
        for job in self.working:
            job.process.kill()
            job.process.wait()

    def _recorded(self, job: _Job) -> Record:
        folder = self.runs / job.run.name
        if status := job.process.returncode:
            ended = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            raise ZooError(f"{ended}; last lines of {folder / OUTPUT_FILE}:\n{_last_lines(folder / OUTPUT_FILE)}")
        value = record_of(Package.open(folder / MODEL_FOLDER)) | {"name": job.run.name, "at_once": self.at_once}
        record = parse_record(json.dumps(value), str(folder / MODEL_FOLDER))
        job.run.check(record)
        write_record(self.records, value)
        return record

    def _environment(self) -> dict[str, str]:
        """Environment of a run; concurrent runs share the machine's cores."""
        threads = max(1, cores() // self.at_once)
        return ({"OMP_NUM_THREADS": str(threads)} if self.at_once > 1 else {}) | os.environ


def _lock(log: IO[bytes]) -> bool:
    """Lock a run for the lifetime of the process with its log as output; False if another process has it."""
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows
        return True
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_lines(file: Path, count: int = 5) -> str:
    lines = file.read_text(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-count:]) or "    (empty)"


def _summary(record: Record) -> str:
    score, kind = record.score, "held-out" if record.held_out else "test"
    return (
        f"{score.accuracy:.2f}% of {score.images:,} {kind} images, patches {score.patch_accuracy:.2f}%, "
        f"{record.training.minutes} minutes"
    )
