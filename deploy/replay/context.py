"""What Docker would send to a build: the folder without what `.dockerignore` leaves out."""

import shutil
from pathlib import Path

from docker.utils import exclude_paths


def copy_context(source: Path, target: Path) -> None:
    """Copy the files of a build's context."""
    lines = (line.strip() for line in (source / ".dockerignore").read_text().splitlines())
    patterns = [line for line in lines if line and not line.startswith("#")]
    for name in sorted(exclude_paths(str(source), patterns)):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)
