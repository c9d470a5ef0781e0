"""A server in a separate process, which can be started, queried, paused and stopped."""

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
"""Seconds to wait for the response to a single request."""
LAST_WORDS = 300
"""Characters of output that are shown if a server does not start."""


class StartError(Exception):
    """A server does not start, or gives wrong answers."""


class Server:
    """A running server; a context manager that stops it.

    Arguments:
        command: command that starts it; `{port}` stands for the port.
        environment: variables added to this process's own.
        folder: working directory, also for its output.

    Raises:
        StartError: its program does not exist.
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
        """The started process and its descendants."""

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

    def wait(self, request: bytes, starts_within: float = STARTS_WITHIN) -> bytes:
        """Wait for the first successful response to a request; returns its body.

        Arguments:
            request: the request.
            starts_within: seconds to wait.

        Raises:
            StartError: the server ended, or does not respond.
        """
        until = time.monotonic() + starts_within
        reason = "no response"
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
            reason = f"exit status {self._process.returncode}"
        raise StartError(f"{reason}; end of its output: {self._log.read_text(errors='replace')[-LAST_WORDS:]!r}")

    def pause(self) -> None:
        """Pause all its processes, since some servers poll for work a thousand times per second."""
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Resume all its processes."""
        for process in reversed(self.processes):
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self._find()

    def cpu_seconds(self) -> float:
        """CPU seconds used by all its processes."""
        total = 0.0
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory(self) -> int:
        """Resident memory of all its processes in bytes; 0 after it has ended."""
        total = 0
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def _find(self) -> None:
        """Current processes: it may have started some, or replaced one that died."""
        first = self.processes[0]
        with suppress(psutil.NoSuchProcess):
            self.processes = [first, *first.children(recursive=True)]


def free_port() -> int:
    """A free port."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
