"""`make gpu`: stages that pass, fail, take too long or lack packages, and what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import gpu
import pytest
from gpu import Stage, missing, run_all, stages

PROJECT = Path(__file__).parents[2]


def stage(name: str, code: str, *needs: str, minutes: float = 1) -> Stage:
    return Stage(name, (sys.executable, "-c", code), minutes, needs)


def outcomes(folder: Path) -> dict[str, tuple[str, str]]:
    summary = json.loads((folder / "summary.json").read_text())
    return {outcome["name"]: (outcome["state"], outcome["why"]) for outcome in summary}


@pytest.mark.process
def test_a_failed_stage_does_not_keep_the_next_from_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [
        stage("first", "print('measured')"),
        stage("broken", "import sys; print('broken'); sys.exit('no memory')"),
        stage("without", "print('never')", "json", "no_such_package", "neither_this"),
        stage("last", "print('the end')"),
    ]
    assert run_all(chosen, tmp_path) == 1
    assert outcomes(tmp_path) == {
        "first": ("passed", ""),
        "broken": ("failed", "exit status 1"),
        "without": ("skipped", "missing: no_such_package, neither_this"),
        "last": ("passed", ""),
    }
    assert (tmp_path / "broken.log").read_text() == "broken\nno memory\n"
    assert (tmp_path / "last.log").read_text() == "the end\n"
    assert not (tmp_path / "without.log").exists()
    assert "    no memory\n" in capsys.readouterr().out


@pytest.mark.process
def test_skipped_stages_are_no_failure(tmp_path: Path) -> None:
    assert run_all([stage("first", "pass"), stage("without", "pass", "no_such_package")], tmp_path) == 0


@pytest.mark.process
def test_what_a_stage_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "GRACE_MINUTES", 0)
    starts = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    assert run_all([stage("long", starts, minutes=0.02)], tmp_path) == 1
    child = Path("/proc") / (tmp_path / "long.log").read_text().strip()
    while child.exists() and " Z " not in (child / "stat").read_text():
        time.sleep(0.01)


@pytest.mark.process
def test_a_stage_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "GRACE_MINUTES", 0)
    monkeypatch.setattr(gpu, "ENDS_WITHIN", 0.3)
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    started = time.monotonic()
    assert run_all([stage("long", stubborn, minutes=0.02), stage("next", "pass")], tmp_path) == 1
    assert time.monotonic() - started < 30
    assert outcomes(tmp_path) == {"long": ("failed", "took too long"), "next": ("passed", "")}


@pytest.mark.process
def test_the_summary_is_written_after_each_stage(tmp_path: Path) -> None:
    look = f"import json; print([one['name'] for one in json.load(open({str(tmp_path / 'summary.json')!r}))])"
    assert run_all([stage("first", "pass"), stage("second", look)], tmp_path) == 0
    assert (tmp_path / "second.log").read_text() == "['first']\n"


@pytest.mark.process
def test_an_interrupted_program_ends_its_stage(tmp_path: Path) -> None:
    program = f"""
import signal, sys
sys.path.insert(0, {str(PROJECT / "tools")!r})
from pathlib import Path
from gpu import Stage, interrupt, run_all
signal.signal(signal.SIGTERM, interrupt)
code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
run_all([Stage("long", (sys.executable, "-c", code), 1)], Path({str(tmp_path)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as own:
        log = tmp_path / "long.log"
        while not (log.exists() and log.read_text().endswith("\n")):
            time.sleep(0.02)
        own.send_signal(signal.SIGTERM)
        own.wait(20)
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


@pytest.fixture
def arguments(tmp_path: Path) -> Namespace:
    return Namespace(device="cuda", minutes=25.0, benchmark_minutes=10.0, data=["/data/cifar10"], out=tmp_path)


def test_results_of_a_gpu_go_where_the_documentation_finds_them(arguments: Namespace) -> None:
    found = {stage.name: stage.command for stage in stages(arguments)}
    assert list(found)[-4:] == ["inference", "training_speed", "serving", "reproduce"]
    assert not any(str(arguments.out) in word for name in list(found)[:-1] for word in found[name])
    assert str(PROJECT / "docs") in found["reproduce"]
    assert found["reproduce"][-2:] == ("--datasets", "/data/cifar10")
    assert sum(float(found[name][found[name].index("--minutes") + 1]) for name in list(found)[-4:-1]) == 10


def test_a_rehearsal_leaves_the_results_of_the_project_alone(arguments: Namespace) -> None:
    arguments.device = "cpu"
    found = {stage.name: stage.command for stage in stages(arguments)}
    for name in ("inference", "training_speed", "serving"):
        assert found[name][found[name].index("--out") + 1] == str(arguments.out / f"{name}.json")
    assert not any(word.startswith(str(PROJECT / "docs")) for word in found["reproduce"])


def test_what_the_stages_need_is_installed_for_tests(arguments: Namespace) -> None:
    assert {name for stage in stages(arguments) for name in missing(stage).split(", ") if name} == set()
    scripts = [stage.command[1] for stage in stages(arguments) if stage.command[1].endswith(".py")]
    assert len(scripts) == 4
    assert all((PROJECT / script).is_file() for script in scripts)


def test_a_project_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "PROJECT", "no-such-project")
    assert missing(Stage("any", (), 1, installed=True)) == "no-such-project (this project, installed)"
    assert missing(Stage("any", (), 1)) == ""


def test_unknown_stages_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--only", "inferense"])
    with pytest.raises(SystemExit):
        gpu.read_arguments()
    assert "unknown stages: inferense" in capsys.readouterr().err
