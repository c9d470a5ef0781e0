"""A clean environment with the wheel, without the source tree, and with the loopback Hub only."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.hub.releases import RELEASES_FILE

PATIENCE = 900.0
"""Timeout of a command in seconds; a slow machine trains a small network in minutes."""

_OURS = ("ZOO_", "PYTHON", "HF_", "PROMETHEUS_")


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, with the working directory of its programs."""

    path: Path
    folder: Path
    hub: Mapping[str, str]
    """Environment variables with which huggingface_hub finds its Hub."""

    @staticmethod
    def make(path: Path, folder: Path, hub: Mapping[str, str], wheel: Path, *extras: str) -> "Environment":
        """Create an environment with the wheel and extras."""
        subprocess.run([sys.executable, "-m", "venv", path], check=True)
        made = Environment(path, folder, hub)
        made.run("python", "-m", "pip", "install", "--quiet", f"{wheel}[{','.join(extras)}]")
        return made

    def pin(self, releases: Path) -> None:
        """Add the releases that the wheel has once the models are published."""
        [package] = self.path.glob("lib/python*/site-packages/zoo/hub")
        shutil.copy(releases, package / RELEASES_FILE.name)

    def program(self, name: str) -> str:
        """Path of an installed program."""
        return str(self.path / "bin" / name)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables, without those of the user."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "HOME": str(self.folder), "COLUMNS": "200", **self.hub}

    def run(self, program: str, *words: object) -> str:
        """Run a program; returns its output.

        Raises:
            AssertionError: it failed.
        """
        return self._run([self.program(program), *map(str, words)])

    def shell(self, line: str) -> str:
        """Run a line in the shell; returns its output.

        Raises:
            AssertionError: it failed.
        """
        return self._run(["/bin/sh", "-c", line])

    def _run(self, words: list[str]) -> str:
        ended = subprocess.run(
            words, cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert ended.returncode == 0, f"{' '.join(words)}: {ended.stdout}{ended.stderr}"
        return ended.stdout
