"""A Debian root in a folder, and what is run in it.

All mounts are made in the mount namespace of this process, which `replay_dockerfile.py` makes: nobody else sees them,
and the kernel takes them away with the last process of the namespace, however it ends.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-pip", "python3-venv")
"""Debian's, for what the image `python` has on top of Debian."""

LENT = ("/etc/hosts", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
"""The host's files that a build sees: Docker lends it the first two, and whoever is behind a proxy adds the third."""


@dataclass(frozen=True, slots=True)
class Root:
    """The folder that a stage of an image is made in."""

    path: Path

    @staticmethod
    def bootstrap(path: Path, suite: str, mirror: str | None) -> "Root":
        """A clean root of Debian with Python."""
        options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
        run(["debootstrap", *options, suite, str(path), *([mirror] if mirror else [])])
        # As in Debian's own image.
        shutil.rmtree(path / "var/cache/apt/archives")
        for lists in (path / "var/lib/apt/lists").iterdir():
            shutil.rmtree(lists) if lists.is_dir() else lists.unlink()
        return Root(path)

    def copy(self, path: Path) -> "Root":
        """A root to go on from here in."""
        run(["cp", "--archive", "--reflink=auto", str(self.path), str(path)])
        return Root(path)

    def inside(self, path: str) -> Path:
        """Where an absolute path of the root lies."""
        return self.path / path.lstrip("/")

    def command(self, words: Sequence[str], user: str, folder: str) -> list[str]:
        """What runs words in the root; a user is a number, or `NUMBER:NUMBER` with its group."""
        owner, _, group = user.partition(":")
        # `env` is found in the root.
        return ["chroot", f"--userspec={owner}:{group or owner}", str(self.path), "env", f"--chdir={folder}", *words]

    def run(self, words: Sequence[str], user: str, folder: str, environment: Mapping[str, str]) -> None:
        """Run words in the root, as `docker build` would."""
        self.inside(folder).mkdir(parents=True, exist_ok=True)
        with self._lent():
            run(self.command(words, user, folder), environment)

    @contextmanager
    def _lent(self) -> Iterator[None]:
        mounted = []
        try:
            for file in filter(os.path.exists, LENT):
                self.inside(file).touch()
                mount("--bind", file, self.inside(file))
                mounted.append(self.inside(file))
            mount("--types", "proc", "proc", self.inside("proc"))
            mounted.append(self.inside("proc"))
            yield
        finally:
            for place in reversed(mounted):
                run(["umount", str(place)])


def mount(*words: str | Path) -> None:
    """`mount` with its arguments."""
    run(["mount", *map(str, words)])


def run(words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a program; the whole replay ends where it fails."""
    try:
        # Looked up here: the environment's own PATH is that of the root.
        subprocess.run([shutil.which(words[0]) or words[0], *words[1:]], env=environment, check=True)
    except FileNotFoundError:
        raise SystemExit(f"this needs the program {words[0]}") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(words)}: exit status {error.returncode}") from None
