"""The execution of a plan: a process for each run that is not done, its probe, and the record of what came of it."""

import json
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
"""What `Run.arguments` are given to; `-P`, since a `zoo.py` in the working directory is another program."""

OUTPUT_FILE = "output.log"
"""What a run prints, in its folder."""

PROBED_IMAGES = 5000
"""Images on which it is measured whether a network uses its semantic block."""

POLL_SECONDS = 0.1

State = Literal["done", "half-done", "to do"]


class UnfinishedError(ZooError):
    """Runs of a plan are missing: they failed, or a signal asked the plan to stop."""


def require_test_splits(runs: Sequence[Run]) -> None:
    """Better now than when a network is trained: the table is of test splits.

    Raises:
        InputError: a folder has none.
    """
    from training.data.data_set import open_splits

    for source in sorted({run.source for run in runs if not run.hold_out and os.path.isdir(run.source)}):
        if open_splits(source).test is None:
            raise InputError(
                f"{source} has no test split, and the table is measured on one; zoo train holds images out"
            )


def state(run: Run, runs: Path, records: Path) -> State:
    """Where a run stands.

    Raises:
        RecordError: its record is damaged, or of another run.
    """
    file = records / f"{run.name}.json"
    if file.exists():
        run.check(read_record(file))
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
) -> None:
    """Make runs, each in a process of its own, so that none ends with another; a record is written as each ends.

    Arguments:
        planned: the runs, in their order.
        runs: a folder NAME in it gets a run's checkpoint, model and `output.log`; what it holds is gone on with.
        records: folder of the records.
        at_once: processes at the same time.
        device: where they compute.
        trainer: the command that trains, before its arguments.
        say: gets a line when a run starts and when it ends.

    Raises:
        InputError: `at_once` is not above 0.
        UnfinishedError: runs failed, after the others were made; or Ctrl-C or SIGTERM came, and they have saved.
    """
    if at_once < 1:
        raise InputError(f"at_once = {at_once}: it must be above 0")
    execution = _Execution(len(planned), runs, records, at_once, device, trainer, say)
    waiting = list(enumerate(planned, start=1))
    with stop_on_signal() as stop:
        try:
            while execution.working or (waiting and not stop.received):
                if stop.received:
                    execution.stop()
                elif waiting and len(execution.working) < at_once:
                    execution.start(*waiting.pop(0))
                    continue
                execution.collect()
                time.sleep(POLL_SECONDS)
        finally:
            execution.kill()
        stopped = stop.received
    if stopped and execution.done < len(planned):
        made = f"{execution.done} of {len(planned)}"
        raise UnfinishedError(f"stopped with {made} runs made; the same command goes on there")
    if execution.failed:
        raise UnfinishedError(
            f"{len(execution.failed)} of {len(planned)} runs failed: {', '.join(execution.failed)}; "
            f"see {runs}/NAME/{OUTPUT_FILE}, and the same command tries them again"
        )


def require_used_blocks(planned: Sequence[Run], records: Path) -> None:
    """A row of the table whose network ignores its semantic block is shown, and refused.

    Raises:
        UnfinishedError: there are such rows; says of each what was measured.
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
    """A run in the works."""

    run: Run
    place: str
    """In the plan."""
    process: subprocess.Popen[bytes]
    probing: bool = False
    """Whether the network is trained, and probed now."""


@dataclass(slots=True)
class _Execution:
    """Where the execution of a plan stands."""

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
        """Begin a run, or go on with it."""
        folder, place = self.runs / run.name, f"[{number}/{self.planned}] {run.name}"
        going_on = state(run, self.runs, self.records) == "half-done"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / OUTPUT_FILE).open("ab") as log:
            if not _lock(log):
                self.failed.append(run.name)
                self.say(f"{place} failed: another process is at work in {folder}")
                return
            arguments = [*run.arguments(), "--run-folder", str(folder), "--device", self.device]
            self.working.append(_Job(run, place, self._begin(arguments, log)))
        self.say(f"{place} {'goes on' if going_on else 'starts'}")

    def _begin(self, arguments: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: a terminal's Ctrl-C would reach the run besides what it is sent from here.
        return subprocess.Popen(
            [*self.trainer, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            start_new_session=True,
        )

    def _probe(self, job: _Job) -> None:
        """Measure whether the network that a run has trained uses its semantic block."""
        folder = self.runs / job.run.name
        arguments = ["probe", f"local-dir:{folder / MODEL_FOLDER}", "--data", job.run.source, "--record"]
        with (folder / OUTPUT_FILE).open("ab") as log:
            process = self._begin([*arguments, "--images", str(PROBED_IMAGES)], log)
        self.working.append(_Job(job.run, job.place, process, probing=True))

    def collect(self) -> None:
        """Write the records of the runs that have ended."""
        for job in [job for job in self.working if job.process.poll() is not None]:
            self.working.remove(job)
            if self.stopping and job.process.returncode:
                self.say(f"{job.place} is stopped")
                continue
            if job.run.has_block and not job.probing and not job.process.returncode:
                self._probe(job)
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

    def stop(self) -> None:
        """Tell the runs, once, to save where they are."""
        if not self.stopping:
            self.stopping = True
            self.say(f"stopping: {len(self.working)} save where they are; another Ctrl-C stops at once")
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
            raise ZooError(f"{ended}; the end of {folder / OUTPUT_FILE}:\n{_last_lines(folder / OUTPUT_FILE)}")
        value = record_of(Package.open(folder / MODEL_FOLDER)) | {"name": job.run.name, "at_once": self.at_once}
        record = parse_record(json.dumps(value), str(folder / MODEL_FOLDER))
        job.run.check(record)
        write_record(self.records, value)
        return record

    def _environment(self) -> dict[str, str]:
        """Runs that share a machine share its cores."""
        threads = max(1, cores() // self.at_once)
        return ({"OMP_NUM_THREADS": str(threads)} if self.at_once > 1 else {}) | os.environ


def _lock(log: IO[bytes]) -> bool:
    """Take a run for the process that gets its log as output, as long as that lives; False if another has it."""
    try:
        import fcntl
    except ModuleNotFoundError:  # only Unix has such locks
        return True
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_lines(file: Path, count: int = 5) -> str:
    lines = file.read_text(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-count:]) or "    (nothing)"


def _summary(record: Record) -> str:
    score, kind = record.score, "held-out" if record.held_out else "test"
    return (
        f"{score.accuracy:.2f}% of {score.images:,} {kind} images, patches {score.patch_accuracy:.2f}%, "
        f"{record.training.minutes} minutes"
    )
