"""A server in a process of its own: started, asked, paused while others have their turn, and ended."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
from peers.messages import HOST, exchange

STARTS_WITHIN, ENDS_WITHIN = 90.0, 20.0
"""Seconds."""
ANSWERS_WITHIN = 30.0
"""Seconds for the answer to a single request."""
LAST_WORDS = 300
"""Characters of its output that are shown of a server that does not start."""


class StartError(Exception):
    """A server does not start, or not as it should."""


class Server:
    """A running server; a context manager that ends it.

    Arguments:
        command: that starts it; `{port}` stands for the port.
        environment: added to this process's own.
        folder: its working directory, and where its output goes.

    Raises:
        StartError: its program is not there.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        self._log = folder / f"{self.port}.log"
        with self._log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    [part.replace("{port}", str(self.port)) for part in command],
                    env=os.environ | environment,
                    cwd=folder,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise StartError(f"{command[0]}: {error.strerror}") from None
        self.processes = [psutil.Process(self._process.pid)]
        """The one that was started, and those that it started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.resume()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDS_WITHIN)
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def wait(self, request: bytes) -> bytes:
        """The body of its first answer to a request.

        Raises:
            StartError: it ended, or gives none.
        """
        until = time.monotonic() + STARTS_WITHIN
        reason = "no answer"
        while time.monotonic() < until and self._process.poll() is None:
            try:
                status, body = exchange(self.port, request, ANSWERS_WITHIN)
            except OSError as error:
                reason = str(error)
            else:
                if status == 200:
                    self._find()
                    return body
                reason = f"status {status}: {body.decode(errors='replace')}"
            time.sleep(0.2)
        if self._process.returncode is not None:
            reason = f"it ended with {self._process.returncode}"
        raise StartError(f"{reason}; its last words: {self._log.read_text(errors='replace')[-LAST_WORDS:]!r}")

    def pause(self) -> None:
        """Stop all its processes: some servers look for work a thousand times a second."""
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let them go on."""
        for process in reversed(self.processes):
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._find()

    def cpu_seconds(self) -> float:
        """That all its processes have computed."""
        total = 0.0
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory(self) -> int:
        """Bytes that all its processes hold (RSS); 0 when it has ended."""
        total = 0
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def _find(self) -> None:
        """Its processes as they are now: it may have started some, or replaced one that died."""
        first = self.processes[0]
        with suppress(psutil.NoSuchProcess):
            self.processes = [first, *first.children(recursive=True)]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
