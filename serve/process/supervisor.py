"""Supervisor of the worker processes: one per core, since a Python process runs its own code on one core at a time.

The processes share an address, among whose sockets the system balances connections, and the memory of `serve.shared`.
uvicorn's `Multiprocess` has one socket for all of them, no shared memory, and no limit on the time to stop.
"""

import logging
import math
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from tempfile import TemporaryDirectory

from serve.http.auth import ApiKeys
from serve.inference.search import open_index
from serve.logs import configure_logging
from serve.process.sockets import CAN_SHARE_ADDRESS, listening
from serve.settings import ENVIRONMENT_PREFIX, Settings
from serve.shared import METRICS_FOLDER, Shared
from zoo.errors import InputError, ZooError
from zoo.extras import importing
from zoo.hub import WEIGHTS_VARIABLE, open_model
from zoo.hub.releases import ORGANIZATION_VARIABLE
from zoo.machine import cores
from zoo.options import API_KEY_VARIABLE, DATA_VARIABLE, unknown_variables
from zoo.package import Package
from zoo.predictors.cuda_session import expected_device
from zoo.predictors.file_predictor import require_onnx
from zoo.runtime import EXECUTIONS, ChosenDevice
from zoo.signals import handling, stop_signals

MAX_PROCESSES = 8
"""Maximum default number of processes: each has its own copy of the models in memory."""
RETRY_SECONDS = 5.0
"""Delay before restarting a process that failed to start."""
SHUTDOWN_GRACE_SECONDS = 10.0
"""Time beyond the notice and drain periods after which remaining processes are killed."""

_spawn = multiprocessing.get_context("spawn")
_log = logging.getLogger(__name__)


class ProcessError(ZooError):
    """A worker process ended unexpectedly."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    API keys are read and models loaded before the server listens, so that invalid settings fail at start-up.

    Raises:
        ZooError: a model or the device is not available, or the address is in use.
    """
    configure_logging(settings.log_format, settings.log_level)
    others = (WEIGHTS_VARIABLE, ORGANIZATION_VARIABLE, API_KEY_VARIABLE, DATA_VARIABLE)
    for name in unknown_variables(Settings, ENVIRONMENT_PREFIX, others):
        _log.warning("ignoring the environment variable %s: not a setting", name)
    ApiKeys(settings.api_keys, settings.api_keys_file)
    device = expected_device(settings.computing_device)
    count = settings.processes or _default_count(device)
    if count > 1 and not CAN_SHARE_ADDRESS:
        raise InputError(
            f"processes = {count}: this system cannot balance connections among processes; use --processes 1"
        )
    with listening(settings.host, settings.port, count) as listeners:
        packages = [open_model(reference, settings.files) for reference in settings.model]
        for package in packages:
            require_onnx(package, EXECUTIONS[settings.execution(package, device)].file)
        open_index(settings.index, packages)
        host, port = listeners[0].getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        settings = _settings_of_one(settings, count)
        if count == 1:
            _serve(settings, packages, listeners[0], Shared.create(), partial(_log.info, "serving at %s", url))
            return
        with _metrics_directory():
            started = partial(_log.info, "serving at %s with %d processes", url, count)
            _Supervisor(settings, packages, listeners, started).run()


@contextmanager
def _metrics_directory() -> Iterator[None]:
    """Directory for the metrics of all processes, which inherit its path through the environment."""
    try:
        folder = TemporaryDirectory(prefix="zoo-metrics-")
    except OSError as error:
        raise ProcessError(
            f"cannot create a directory for the metrics of several processes: {error}; set TMPDIR to a writable "
            "directory, or use --processes 1"
        ) from None
    with folder as path:
        os.environ[METRICS_FOLDER] = path
        yield


def _default_count(device: ChosenDevice) -> int:
    return min(cores(), MAX_PROCESSES) if CAN_SHARE_ADDRESS and device == "cpu" else 1


def _settings_of_one(settings: Settings, count: int) -> Settings:
    """Settings of one of `count` processes, with its share of the limits."""
    return replace(
        settings,
        model_memory_mb=settings.model_memory_mb / count,
        max_connections=math.ceil(settings.max_connections / count),
        decode_threads=settings.decode_threads or max(cores() // count, 2),
    )


def _serve(
    settings: Settings,
    packages: Sequence[Package],
    listener: socket.socket,
    shared: Shared,
    started: Callable[[], None],
) -> None:
    with importing("serve", "serving"):
        # Imported here: the supervisor does not need it, and prometheus_client reads the environment on import.
        from serve.process.server import serve
    serve(settings, packages, listener, shared, started)


def _run_worker(
    settings: Settings, packages: Sequence[Package], listener: socket.socket, shared: Shared, report: Connection
) -> None:
    """Run one of several processes; it reports an empty string once it listens, or the error that stopped it."""
    # Until uvicorn installs its handlers there is nothing to clean up.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    configure_logging(settings.log_format, settings.log_level)
    # Its messages about each process only repeat those of the supervisor.
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(max(uvicorn.level, logging.WARNING))
    try:
        _serve(settings, packages, listener, shared, lambda: report.send(""))
    except ZooError as error:
        report.send(str(error))


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    report: Connection
    ready: bool = False
    error: str = ""

    def receive(self) -> None:
        """Receive pending reports of the process."""
        while self.report.poll():
            try:
                self.error = self.report.recv()
            except EOFError:
                return
            self.ready = not self.error

    @property
    def end(self) -> str:
        """Reason why the process ended."""
        code = self.process.exitcode or 0
        return self.error or (signal.Signals(-code).name if code < 0 else f"exit status {code}")


class _Supervisor:
    """Starts the worker processes, restarts those that die, and forwards stop signals.

    Arguments:
        settings: settings of each process.
        packages: model directories to serve.
        listeners: one socket per process.
        started: called once all processes are serving.
    """

    def __init__(
        self,
        settings: Settings,
        packages: Sequence[Package],
        listeners: Sequence[socket.socket],
        started: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._packages = packages
        self._listeners = listeners
        self._started: Callable[[], None] | None = started
        self._shared = Shared.create(len(listeners))
        self._workers: dict[int, _Worker] = {}
        self._due = dict.fromkeys(range(len(listeners)), 0.0)
        """Time at which to start each process that is not running, by its index."""
        self._stop_at = math.inf
        """Time at which processes that are still running are killed."""
        self._failure = ""
        self._signals, self._signalled = _spawn.Pipe(duplex=False)
        """Stop signals to act on, and the end into which their handler writes them.

        The handler does no more: it may interrupt the start of a process, whose socket must not be closed meanwhile,
        and which would miss the signal.
        """

    def run(self) -> None:
        """Run until all processes have ended.

        Raises:
            ProcessError: a process failed to start, or none is left.
        """
        with handling(stop_signals(), lambda sig, _: self._signalled.send(sig)):
            while self._workers or (self._due and self._stop_at == math.inf):
                self._start_due()
                sentinels = [worker.process.sentinel for worker in self._workers.values()]
                reports = [worker.report for worker in self._workers.values() if not worker.ready]
                wait([*sentinels, *reports, self._signals], timeout=0.5)
                while self._signals.poll():
                    self._on_signal(self._signals.recv())
                for index, worker in list(self._workers.items()):
                    worker.receive()
                    if not worker.process.is_alive():
                        worker.receive()
                        self._reap(index, worker)
                if self._started and len(self._workers) == len(self._listeners) == self._ready:
                    self._started()
                    self._started = None
                if time.monotonic() > self._stop_at:
                    self._send(signal.SIGKILL)
        if self._failure:
            raise ProcessError(self._failure)

    @property
    def _ready(self) -> int:
        return sum(worker.ready for worker in self._workers.values())

    def _start_due(self) -> None:
        for index, due in list(self._due.items()):
            if self._stop_at == math.inf and time.monotonic() >= due:
                del self._due[index]
                self._workers[index] = self._start(index)

    def _start(self, index: int) -> _Worker:
        shared = self._shared.at(index)
        shared.reset()
        ours, theirs = _spawn.Pipe(duplex=False)
        arguments = (self._settings, self._packages, self._listeners[index], shared, theirs)
        process = _spawn.Process(target=_run_worker, args=arguments, name=f"zoo {index}")
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _reap(self, index: int, worker: _Worker) -> None:
        del self._workers[index]
        worker.report.close()
        self._shared.at(index).reset()
        if self._stop_at < math.inf:
            return
        if not worker.ready and (self._started or not self._workers):
            # At start-up, an error affects all processes; later, others may keep serving the models they have loaded.
            self._failure = worker.end
            self._stop()
            return
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.process.pid)  # type: ignore[no-untyped-call]
        if worker.ready:
            _log.error("process %s ended: %s; restarting", worker.process.pid, worker.end)
            self._due[index] = 0.0
        else:
            _log.error("a process failed to start: %s; retrying in %g s", worker.end, RETRY_SECONDS)
            self._due[index] = time.monotonic() + RETRY_SECONDS

    def _on_signal(self, sig: int) -> None:
        again = self._stop_at < math.inf
        self._stop(signal.SIGINT if again and sig == signal.SIGINT else signal.SIGTERM)

    def _stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        allowed = self._settings.notice_seconds + self._settings.drain_seconds + SHUTDOWN_GRACE_SECONDS
        self._stop_at = time.monotonic() + allowed
        # Otherwise connections would still be accepted, and never answered, after the processes close their sockets.
        for listener in self._listeners:
            listener.close()
        self._send(sig)

    def _send(self, sig: signal.Signals) -> None:
        for worker in list(self._workers.values()):
            if worker.process.is_alive() and worker.process.pid:
                os.kill(worker.process.pid, sig)
