import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from types import MappingProxyType
from typing import Any

import pytest

from reproduction import execute as execution
from reproduction.execute import TimeLimit, UnfinishedError, execute, require_used_blocks, state
from reproduction.plan import Backgrounds, Run, plan
from reproduction.records import RecordError, read_record, read_records
from training import interrupt, recipes
from training.recipe import Recipe
from zoo.errors import InputError
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.machine import cores
from zoo.package import CONFIG_FILE

RunZoo = Callable[..., CompletedProcess[str]]

TRAINER = """
import json, os, pathlib, signal, sys, time

if sys.argv[1] == "probe":
    model = pathlib.Path(sys.argv[2].removeprefix("local-dir:"))
    config = json.loads((model / "config.json").read_text())
    effect = {"accuracy": 90.0, "difference": [0, 0, 0], "changed": [SWAPPED, 0, 100]}
    names = ("silenced", "mean", "swapped", "true class", "wrong class")
    probe = {"data": "cifar10", "split": "test", "images": 5000, "seed": 0, "digest": config["weights_sha256"],
             "accuracy": 90.0, "effects": {name: effect for name in names}, "errors_removed": [50, 0, 100],
             "none": {}, "between_images": 0.5, "one_class": 10.0}
    (model / "probe.json").write_text(json.dumps({"torch": probe}))
    sys.exit()

if sys.argv[1] == "slack":
    model = pathlib.Path(sys.argv[2].removeprefix("local-dir:"))
    config = json.loads((model / "config.json").read_text())
    area = [0.5, 0.4, 0.6]
    slack = {"data": "cifar10", "split": "test", "images": 2000, "seed": 0, "digest": config["weights_sha256"],
             "backgrounds": "textures", "none": area, "doubt": area, "difference": area, "none_on_object": 0.1,
             "none_on_background": 0.2, "accuracy": 50.0}
    (model / "slack.json").write_text(json.dumps({"textures": slack}))
    sys.exit()

options = sys.argv[3:]
value = {name: options[options.index(name) + 1] for name in options if name.startswith("--")}
variant, run, seed = sys.argv[2], pathlib.Path(value["--run-folder"]), int(value["--seed"])
print("training", variant, "with", os.environ.get("OMP_NUM_THREADS"), "threads", flush=True)
with open(run.parent / "order", "a") as order:
    order.write(run.name + "\\n")
"""

SUCCEED = """
recipe = {"epochs": 2, "seed": seed, "patch_weight": float(value.get("--patch-weight", 0.25)), "assignment": "softmax"}
columns = {"epoch": 1, "input_size": 32, "loss": 1.0, "accuracy": 0.5, "patch_accuracy": 0.5}
training = {"data": "cifar10", "images": 256, "recipe_name": value["--recipe"], "recipe": recipe, "minutes": 0.1,
            "torch": "2.8.0", "machine": {"device": value["--device"]}, "history": [columns, columns | {"epoch": 2}]}
split = "held-out" if "--hold-out" in options else "test"
score = {"torch": {"images": 256, "accuracy": 90.0 + seed, "patch_accuracy": 80.0, "loss": 0.5}}
(run / "model").mkdir()
(run / "model" / "config.json").write_text(json.dumps(CONFIG | {"variant": variant}))
(run / "model" / "metrics.json").write_text(json.dumps({"training": training, split: score}))
"""

FAIL = """
if variant == "rn38":
    print("\\n".join(f"line {number}" for number in range(9)))
    sys.exit("error: no memory")
if variant == "rn38-ours":
    os.kill(os.getpid(), signal.SIGKILL)
"""

STOP_ONCE = """
def save(*_):
    (run / "checkpoint.pt").touch()
    sys.exit("error: stopped")

if variant != "rn26" and not (run.parent / "stopped").exists():
    (run.parent / "stopped").touch()
    signal.signal(signal.SIGTERM, save)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
"""


LONG = """
def save(*_):
    (run / "checkpoint.pt").touch()
    sys.exit("error: stopped")

if not (run.parent / "resuming").exists():
    signal.signal(signal.SIGTERM, save)
    (run / "waiting").touch()
    time.sleep(60)
"""
"""A run that takes too long, until a file says that it is resumed."""


@pytest.fixture(autouse=True)
def _recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "test", Recipe(epochs=2))
    monkeypatch.setattr(execution, "POLL_SECONDS", 0.01)


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Sequence[str]]:
    """`trainer(*parts)`: a command instead of `zoo`, whose training is these parts and then a success."""

    def make(*parts: str, swapped: float = 10) -> Sequence[str]:
        config = json.loads((open_model(DEFAULT_MODEL).path / CONFIG_FILE).read_text())
        (tmp_path / "trainer.py").write_text(
            "".join((f"SWAPPED = {swapped}\n", TRAINER, *parts, f"CONFIG = {config!r}\n", SUCCEED))
        )
        return sys.executable, str(tmp_path / "trainer.py")

    return make


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, said: list[str]) -> Callable[..., None]:
    """Execute a plan below `tmp_path`."""

    def run(planned: list[Run], trainer: Sequence[str], at_once: int = 1, limit: TimeLimit | None = None) -> None:
        places = tmp_path / "runs", tmp_path / "records"
        execute(planned, *places, at_once, "cpu", trainer=trainer, say=said.append, limit=limit)

    return run


def planned(*patterns: str, **arguments: Any) -> list[Run]:
    return plan(["cifar10"], patterns, recipe_name="test", **arguments)


@pytest.mark.process
def test_every_run_gets_a_record(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path, said: list[str]
) -> None:
    runs = planned("wrn16*", seeds=2)
    make(runs, trainer())
    assert (tmp_path / "runs" / "order").read_text().split() == [run.name for run in runs]
    for run in runs:
        assert state(run, tmp_path / "runs", tmp_path / "records") == "done"
    record = read_record(tmp_path / "records" / "wrn16.cifar10.test.seed1.json")
    assert (record.score.accuracy, record.training.machine.device, record.at_once) == (91, "cpu", 1)
    assert said[0] == "[1/6] wrn16.cifar10.test.seed0 starts"
    assert said[1] == ("[1/6] wrn16.cifar10.test.seed0: 90.00% of 256 test images, patches 80.00%, 0.1 minutes; 5 left")
    assert said[-1].endswith("0.1 minutes; 0 left")


@pytest.mark.process
def test_several_at_once(
    make: Callable[..., None],
    trainer: Callable[..., Sequence[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: list[str],
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    together = """
(run / "here").touch()
while len(list(run.parent.glob("*/here"))) < 3:
    time.sleep(0.01)
"""
    make(planned("wrn16*"), trainer(together), at_once=3)
    assert [line.rpartition(" ")[2] for line in said[:3]] == ["starts"] * 3
    assert {record.at_once for record in read_records(tmp_path / "records")} == {3}
    log = (tmp_path / "runs" / "wrn16.cifar10.test.seed0" / "output.log").read_text()
    assert log == f"training wrn16 with {max(1, cores() // 3)} threads\n"


@pytest.mark.process
def test_a_failed_run_does_not_end_the_plan(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path, said: list[str]
) -> None:
    runs = planned("rn38*", "wrn16")
    with pytest.raises(UnfinishedError, match=r"2 of 3 runs failed: rn38\..*, rn38-ours.*; see .*output.log"):
        make(runs, trainer(FAIL))
    [record] = read_records(tmp_path / "records")
    assert record.variant == "wrn16"
    assert re.search(
        r"failed: exit status 1; last lines of .*output\.log:\n    line 5\n(.*\n){3}    error: no memory", said[1]
    )
    assert "line 4" not in said[1]
    assert "failed: killed by SIGKILL" in said[3]
    make(runs[:2], trainer())
    assert len(read_records(tmp_path / "records")) == 3


def test_a_run_that_trained_something_else_has_failed(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path, said: list[str]
) -> None:
    with pytest.raises(UnfinishedError):
        make(planned("wrn16"), trainer("seed = 7\n"))
    assert (
        "failed: the record of wrn16.cifar10.test.seed0 belongs to another run (seed: 7 recorded, 0 planned)" in said[1]
    )
    assert read_records(tmp_path / "records") == []


def test_a_run_that_wrote_no_model_has_failed(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], said: list[str]
) -> None:
    with pytest.raises(UnfinishedError):
        make(planned("wrn16"), trainer("sys.exit()\n"))
    assert re.search("there is no folder .*/model; check the path", said[1])


@pytest.mark.process
def test_a_stopped_plan_goes_on(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path, said: list[str]
) -> None:
    runs = planned("rn26", "wrn16*")
    places = tmp_path / "runs", tmp_path / "records"
    with pytest.raises(UnfinishedError, match="stopped with 1 of 4 runs finished; run the same command to resume"):
        make(runs, trainer(STOP_ONCE))
    assert [state(run, *places) for run in runs] == ["done", "half-done", "to do", "to do"]
    assert said[-2:] == [
        "stopping: waiting for 1 to save; press Ctrl-C again to stop immediately",
        "[2/4] wrn16.cifar10.test.seed0 stopped",
    ]
    make(runs[1:], trainer(STOP_ONCE))
    assert said[4] == "[2/4] wrn16.cifar10.test.seed0 stopped"
    assert said[5] == "[1/3] wrn16.cifar10.test.seed0 resumes"
    assert [state(run, *places) for run in runs] == ["done"] * 4


@pytest.fixture
def limit(tmp_path: Path) -> Callable[..., TimeLimit]:
    """A limit on a clock by which a finished run took a minute, and which is up when this many runs take too long."""

    def make(minutes: float, estimates: Mapping[str, float] = MappingProxyType({}), long: int = 1) -> TimeLimit:
        def clock() -> float:
            is_up = len(list(tmp_path.glob("runs/*/waiting"))) == long
            return 3600 * is_up + 60 * len(list(tmp_path.glob("records/*.json")))

        return TimeLimit(minutes, lambda run: estimates.get(run.variant, 1), clock)

    return make


@pytest.mark.process
def test_only_runs_that_fit_in_the_time_are_started(
    make: Callable[..., None],
    trainer: Callable[..., Sequence[str]],
    limit: Callable[..., TimeLimit],
    tmp_path: Path,
    said: list[str],
) -> None:
    runs = planned("rn26", "rn38", "wrn16*")
    make(runs, trainer(), limit=limit(3, {"rn38": 2.5}))
    done = [run.variant for run in runs if state(run, tmp_path / "runs", tmp_path / "records") == "done"]
    assert done == ["rn26", "wrn16", "wrn16-aux"]
    assert (tmp_path / "runs" / "order").read_text().count("\n") == 3
    make(runs[1:2] + runs[4:], trainer(), limit=limit(3.5, {"rn38": 2.5}))
    assert [state(run, tmp_path / "runs", tmp_path / "records") for run in runs] == ["done"] * 5
    assert "time is up" not in " ".join(said)


@pytest.mark.process
def test_what_still_runs_at_the_end_is_saved_and_resumed(
    make: Callable[..., None],
    trainer: Callable[..., Sequence[str]],
    limit: Callable[..., TimeLimit],
    tmp_path: Path,
    said: list[str],
) -> None:
    runs, places = planned("wrn16*"), (tmp_path / "runs", tmp_path / "records")
    make(runs, trainer(LONG), at_once=2, limit=limit(50, {"wrn16-aux": 90}, long=2))
    assert [state(run, *places) for run in runs] == ["half-done", "to do", "half-done"]
    assert said[2] == "time is up: waiting for 2 to save; press Ctrl-C again to stop immediately"
    assert [line.rpartition(" ")[2] for line in said[3:]] == ["stopped"] * 2
    (tmp_path / "runs" / "resuming").touch()
    make(runs, trainer(LONG))
    assert [state(run, *places) for run in runs] == ["done"] * 3


@pytest.mark.process
def test_where_no_run_fits_from_the_start_the_first_is_begun(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], limit: Callable[..., TimeLimit], tmp_path: Path
) -> None:
    runs = planned("wrn16*")
    make(runs, trainer(LONG), at_once=2, limit=limit(5, dict.fromkeys(("wrn16", "wrn16-aux", "wrn16-ours"), 90)))
    states = [state(run, tmp_path / "runs", tmp_path / "records") for run in runs]
    assert states == ["half-done", "to do", "to do"]


def test_a_second_signal_ends_the_runs_at_once(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupt, "SAME_SECONDS", -1)
    stubborn = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(run / "pid").write_text(str(os.getpid()))
os.kill(os.getppid(), signal.SIGTERM)
os.kill(os.getppid(), signal.SIGINT)
time.sleep(60)
"""
    [run] = planned("wrn16")
    with pytest.raises(KeyboardInterrupt):
        make([run], trainer(stubborn))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "runs" / run.name / "pid").read_text()), 0)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Run]:
    """A run on which another process is at work."""
    fcntl = pytest.importorskip("fcntl")
    [run] = planned("wrn16")
    folder = tmp_path / "runs" / run.name
    folder.mkdir(parents=True)
    with (folder / "output.log").open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        yield run


def test_two_processes_do_not_share_a_run(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], busy: Run, said: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UnfinishedError, match="1 of 2 runs failed: wrn16"):
        make([busy, *planned("rn26")], trainer())
    assert "failed: another process is working in" in said[0]
    assert [record.variant for record in read_records(tmp_path / "records")] == ["rn26"]


def test_a_number_at_once_that_cannot_be(make: Callable[..., None]) -> None:
    with pytest.raises(InputError, match="at_once = 0: must be above 0"):
        make(planned("wrn16"), [], at_once=0)


def test_a_damaged_record_stops_before_it_starts(tmp_path: Path) -> None:
    [run] = planned("wrn16")
    (tmp_path / f"{run.name}.json").write_text("{}")
    with pytest.raises(RecordError, match=r"wrn16\.cifar10\.test\.seed0\.json is not the record"):
        state(run, tmp_path, tmp_path)


@pytest.fixture
def command(
    run_zoo: RunZoo, trainer: Callable[..., Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CompletedProcess[str]]:
    """`zoo reproduce` of the recipe `test` below `tmp_path`, with the trainer of these parts."""

    def run(*arguments: object, parts: Sequence[str] = ()) -> CompletedProcess[str]:
        monkeypatch.setattr(execution, "TRAINER", trainer(*parts))
        folders = ("--runs", tmp_path / "runs", "--results", tmp_path / "docs")
        return run_zoo(
            "reproduce", "--datasets", "cifar10", "--recipe", "test", "--device", "cpu", *folders, *arguments
        )

    return run


@pytest.mark.process
def test_the_command(command: RunZoo, tmp_path: Path) -> None:
    arguments = ("--variants", "wrn16-ours", "--variants", "rn26", "--seeds", 2)
    shown = command(*arguments, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0] == "to do      rn26.cifar10.test.seed0"
    assert shown.stdout.splitlines()[-1] == "4 runs: 0 done, 0 half-done, 4 to do"
    assert not (tmp_path / "docs").exists()

    stopped = command(*arguments, parts=(STOP_ONCE,))
    assert stopped.returncode == 1
    assert stopped.stderr == "error: stopped with 1 of 4 runs finished; run the same command to resume\n"
    assert "half-done  wrn16-ours.cifar10.test.seed0" in command(*arguments, "--dry-run").stdout

    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == "4 runs: 1 done, 1 half-done, 2 to do"
    assert ended.stdout.splitlines()[-1] == f"{tmp_path}/docs/results.md: 4 runs"
    text = (tmp_path / "docs" / "results.md").read_text()
    assert "| `wrn16-ours` | 90.50 ± 0.71 | 2 |" in text
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (tmp_path / "docs" / target).exists(), target

    again = command(*arguments)
    assert again.stdout.splitlines() == ["4 runs: 4 done, 0 half-done, 0 to do", ended.stdout.splitlines()[-1]]
    (tmp_path / "docs" / "results.md").unlink()
    assert command("--only-write").returncode == 0
    assert (tmp_path / "docs" / "results.md").read_text() == text


@pytest.mark.process
def test_the_command_ends_on_time(command: RunZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> float:
        return 3600 * len(list(tmp_path.glob("runs/*/waiting")))

    monkeypatch.setattr(execution, "TimeLimit", partial(TimeLimit, clock=clock))
    arguments = ("--variants", "wrn16*", "--minutes", 0.5)
    planned = command(*arguments, "--dry-run").stdout.splitlines()
    assert [line.split()[-1] for line in planned[:3]] == [
        f"{name}.cifar10.test.seed0" for name in ("wrn16", "wrn16-ours", "wrn16-aux")
    ]
    assert all(re.match(r"to do +\d+\.\d minutes ", line) for line in planned[:3])

    ended = command(*arguments, parts=(LONG,))
    assert ended.returncode == 0, ended.stderr
    *_, written, summary, first, second, third = ended.stdout.splitlines()
    assert written == f"{tmp_path}/docs/results.md: 0 runs"
    assert summary == "0 of 3 runs finished within 0.5 minutes; run the same command to train the others:"
    assert [line.split()[0] for line in (first, second, third)] == ["half-done", "to", "to"]

    (tmp_path / "runs" / "resuming").touch()
    assert command(*arguments[:2]).stdout.splitlines()[-1] == f"{tmp_path}/docs/results.md: 3 runs"


@pytest.mark.process
def test_the_command_fails_with_a_run_and_writes_the_others(command: RunZoo, tmp_path: Path) -> None:
    ended = command("--variants", "rn38", "--variants", "wrn16", parts=(FAIL,))
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: 1 of 2 runs failed: rn38.cifar10.test.seed0")
    assert "| `wrn16` | 90.00 | 1 |" in (tmp_path / "docs" / "results.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--variants", "wrn61"), "unknown variant 'wrn61'"),
        (("--experiment", "blok"), "unknown experiment 'blok'; did you mean block"),
        (("--experiment", "block", "--epochs", 2), "leave out --variants, --recipe and --epochs"),
        (("--device", "tpu"), "device 'tpu' cannot be used"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: tuple[object, ...], message: str, command: RunZoo, tmp_path: Path
) -> None:
    ended = command(*arguments)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert message in ended.stderr
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize("option", ["--seeds", "--epochs", "--at-once", "--minutes"])
def test_a_number_out_of_range_is_named(option: str, command: RunZoo, tmp_path: Path) -> None:
    ended = command(option, 0)
    assert ended.returncode == 2
    assert option in ended.stderr
    assert not (tmp_path / "docs").exists()


@pytest.mark.process
def test_a_network_with_a_block_is_probed(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path
) -> None:
    make(planned("wrn16", "wrn16-ours"), trainer())
    probes = {record.variant: record.probe for record in read_records(tmp_path / "records")}
    assert probes["wrn16"] is None
    assert probes["wrn16-ours"] is not None
    assert probes["wrn16-ours"].used


@pytest.mark.process
def test_a_measured_run_is_done_with_its_measurement(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path
) -> None:
    runs, records = planned("wrn16-aux", "wrn16-ours"), tmp_path / "records"
    make(runs, trainer())
    measured = [replace(run, backgrounds=(Backgrounds(),)) for run in runs]
    assert [state(run, tmp_path / "other", records) for run in (*runs, *measured)] == ["done"] * 2 + ["to do"] * 2
    shutil.rmtree(tmp_path / "runs")
    make(measured, trainer())
    assert [state(run, tmp_path / "runs", records) for run in measured] == ["done"] * 2
    for record in read_records(records):
        assert record.slack["textures"].none == (0.5, 0.4, 0.6)
        assert (record.probe is None) == (record.variant == "wrn16-aux")


@pytest.mark.process
def test_a_row_that_ignores_its_block_is_refused(
    make: Callable[..., None], trainer: Callable[..., Sequence[str]], tmp_path: Path
) -> None:
    runs = planned("wrn16", "wrn16-ours")
    make(runs, trainer(swapped=1))
    with pytest.raises(
        UnfinishedError, match=r"1 of 2 rows do not use their semantic block(.|\n)*wrn16-ours.*not used"
    ):
        require_used_blocks(runs, tmp_path / "records")
    require_used_blocks(runs[:1], tmp_path / "records")
