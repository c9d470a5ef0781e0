"""A clean environment that has the wheel and nothing of the source tree."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 900.0
"""Seconds for a command; a slow machine trains a small network in minutes."""

_OURS = ("ZOO_", "PYTHON", "HF_", "PROMETHEUS_")


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and the folder that its programs run in."""

    path: Path
    folder: Path

    @staticmethod
    def make(path: Path, folder: Path, wheel: Path, *extras: str) -> "Environment":
        """Make one that has the wheel with extras."""
        subprocess.run([sys.executable, "-m", "venv", path], check=True)
        made = Environment(path, folder)
        made.run("python", "-m", "pip", "install", "--quiet", f"{wheel}[{','.join(extras)}]")
        return made

    def program(self, name: str) -> str:
        """The path of a program that was installed."""
        return str(self.path / "bin" / name)

    @property
    def variables(self) -> dict[str, str]:
        """Nothing of who runs the check; models come from the folder, and nothing from the network."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        path = f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "HOME": str(self.folder), "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
        return kept | own | {"ZOO_WEIGHTS": str(self.folder / "weights")}

    def run(self, program: str, *words: object) -> str:
        """What a program prints.

        Raises:
            AssertionError: it failed.
        """
        return self._run([self.program(program), *map(str, words)])

    def shell(self, line: str) -> str:
        """What a line for the shell prints, as a user types it.

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
