"""Programs in processes of their own, which know nothing of what was done before."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 120.0
ROOT = Path(__file__).resolve().parents[2]


def start_zoo(environment: Mapping[str, str], *arguments: object) -> subprocess.Popen[str]:
    """Start the program `zoo`."""
    return _start(environment, "-m", "zoo", *arguments)


def run_zoo(environment: Mapping[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program `zoo`, whose end may be an error."""
    return _end(start_zoo(environment, *arguments))


def run_python(environment: Mapping[str, str], code: str, *arguments: object) -> str:
    """Run a piece of Python that must succeed: what it prints."""
    ended = _end(_start(environment, "-c", code, *arguments))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _start(environment: Mapping[str, str], *arguments: object) -> subprocess.Popen[str]:
    # The zoo of these tests, unless another comes first.
    paths = os.pathsep.join(filter(None, (environment.get("PYTHONPATH"), str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-P", *map(str, arguments)],
        env={**os.environ, "COLUMNS": "250", **environment, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _end(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
