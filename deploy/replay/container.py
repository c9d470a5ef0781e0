"""An image's program as `docker run --read-only --tmpfs /tmp` starts it: alone among processes, as its user."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from replay.build import Image
from replay.root import mount

WRITABLE = ("/tmp", "/dev/shm", "/cache")
"""A folder in memory, what Docker gives every container, and the volume of models."""


class Container:
    """A running program."""

    def __init__(self, image: Image, variables: Mapping[str, str]) -> None:
        self._image = image
        self._environment = {"HOME": _home(image), **image.environment, **variables}
        proc = image.root.inside("proc")
        alone = ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={proc}"]
        self._process = subprocess.Popen([*alone, *self._command(image.entrypoint)], env=self._environment)

    @property
    def pid(self) -> int:
        """Of what is process 1 in there, seen from here."""
        process = self._process.pid
        [child] = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return int(child)

    def is_healthy(self) -> bool:
        """What the image's health check says."""
        asked = subprocess.run(
            self._command(self._image.health), env=self._environment, capture_output=True, check=False
        )
        return asked.returncode == 0

    def wait_until_healthy(self, seconds: float) -> float:
        """How long it took.

        Raises:
            SystemExit: the program ended, or took longer.
        """
        begin = time.monotonic()
        while not self.is_healthy():
            if self._process.poll() is not None:
                raise SystemExit(f"the server ended with exit status {self._process.returncode}")
            if time.monotonic() > begin + seconds:
                raise SystemExit(f"the server is not healthy after {seconds:g} s")
            time.sleep(0.1)
        return time.monotonic() - begin

    def stop(self, signal: int, seconds: float) -> int:
        """Send process 1 a signal, and return the exit status."""
        os.kill(self.pid, signal)
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End it if it still runs; process 1 and all others end with it."""
        self._process.kill()
        self._process.wait()

    def _command(self, words: Sequence[str]) -> list[str]:
        chroot, *rest = self._image.root.command(words, self._image.user, self._image.folder)
        return [shutil.which(chroot) or chroot, *rest]


def _home(image: Image) -> str:
    users = (line.split(":") for line in image.root.inside("etc/passwd").read_text().splitlines())
    return next((home for _, _, number, _, _, home, _ in users if number == image.user), "/")


@contextmanager
def running(image: Image, variables: Mapping[str, str]) -> Iterator[Container]:
    """The image's program, in a root that cannot be written."""
    root = image.root.path
    mount("--bind", root, root)
    mount("--options", "remount,bind,ro", root)
    for folder in map(image.root.inside, WRITABLE):
        mount("--types", "tmpfs", "--options", "mode=1777", "tmpfs", folder)
    container = Container(image, variables)
    try:
        yield container
    finally:
        container.kill()
