"""The way of a request stays short enough to be read."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "executed_modules.py"


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize(("what", "limit"), [("request", 24), ("step", 14), ("load", 32)])
def test_few_modules_are_executed(what: str, limit: int) -> None:
    done = subprocess.run([sys.executable, SCRIPT, what], capture_output=True, text=True, timeout=200, check=True)
    modules = [line for line in done.stdout.splitlines() if line.endswith(".py")]
    assert 5 < len(modules) <= limit, modules
