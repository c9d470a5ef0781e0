"""One worker process: the application, run by uvicorn."""

import logging
import multiprocessing
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from serve.app import create_app
from serve.inference.models import ServedModel
from serve.inference.service import Service
from serve.metrics import Metrics
from serve.process.http1 import ConnectionSweeper, StrictHttpProtocol
from serve.settings import Settings
from serve.shared import Shared
from zoo.machine import freeze_loaded_objects, return_large_memory
from zoo.package import Package
from zoo.predictors import Predictor
from zoo.predictors.file_predictor import FilePredictor
from zoo.runtime import EXECUTIONS
from zoo.signals import handling, stop_signals

SPARE_FILES = 500
"""Open files besides connections: models, libraries, and connections accepted between two sweeps."""

_log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn server with a graceful shutdown: on a stop signal it reports not ready, keeps serving for the notice
    period, finishes the requests in flight and exits with status 0.

    Arguments:
        config: uvicorn's configuration.
        service: service of the application.
        started: called once the server is listening.
    """

    def __init__(self, config: uvicorn.Config, service: Service, started: Callable[[], None]) -> None:
        super().__init__(config)
        settings = service.settings
        self._service = service
        self._started = started
        # A single process may outlive the shell that started it; one of several must not outlive the supervisor.
        self._parent = os.getppid() if multiprocessing.parent_process() else None
        self._end = float("inf")
        self._sweeper = ConnectionSweeper(
            settings.header_seconds, settings.keep_alive_seconds, settings.max_connections
        )
        service.metrics.watch(service.metrics.connections, lambda: len(self.server_state.connections))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's handler, which raises the signal again at the end, so that the process would be killed by it.
        if self._service.leaving and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        self._service.leaving = True
        self._end = min(self._end, time.monotonic() + self._service.settings.notice_seconds)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn itself does not handle SIGHUP.
        with super().capture_signals(), handling(stop_signals(), self.handle_exit):
            yield

    async def on_tick(self, counter: int) -> bool:
        # Called by uvicorn ten times a second.
        if counter % 10 == 0:
            self._sweeper.sweep(self.server_state.connections, time.monotonic())
            self._service.metrics.refresh()
            if self._parent not in (None, os.getppid()) and not self._service.leaving:
                _log.error("the parent process has exited; shutting down")
                self.handle_exit(signal.SIGTERM, None)
        if time.monotonic() >= self._end:
            self._service.draining = self.should_exit = True
        return await super().on_tick(counter)


def serve(
    settings: Settings,
    packages: Sequence[Package],
    listener: socket.socket,
    shared: Shared,
    started: Callable[[], None],
) -> None:
    """Serve on a socket until SIGTERM or Ctrl-C; models are loaded before it listens.

    Raises:
        ZooError: a model cannot be loaded.
    """
    allow_files(settings.max_connections)
    return_large_memory()
    service = Service(settings, packages, shared=shared)
    if not shared.index:
        for model in service.models.values():
            _log_model(model)
    config = uvicorn_config(create_app(service), settings, service.metrics)
    freeze_loaded_objects()
    Server(config, service, started).run(sockets=[listener])


def uvicorn_config(app: ASGIApp, settings: Settings, metrics: Metrics) -> uvicorn.Config:
    """uvicorn's configuration: limits from the settings, no logging of its own, no `Server` header."""
    return uvicorn.Config(
        app,
        http=partial(StrictHttpProtocol, metrics),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxy),
        h11_max_incomplete_event_size=settings.max_head_bytes,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=round(settings.drain_seconds),
    )


def allow_files(connections: int) -> None:
    """Raise the limit on open files to fit this many connections; log a warning if the hard limit is too low."""
    needed = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _log.warning(
            "max_connections = %d needs %d open files, but the limit is %d; raise it (ulimit -Hn), or lower "
            "max_connections",
            connections,
            needed,
            hard,
        )


def _log_model(model: ServedModel) -> None:
    if model.loaded is None:
        _log.info("%s: will be loaded on first use", model.name)
        return
    predictor = model.loaded.predictor
    _log.info("%s: %s", model.name, describe_predictor(predictor))
    if isinstance(predictor, FilePredictor) and model.package.verification_failed(predictor.execution):
        _log.warning("%s: parity.json has no passed check of this ONNX file; run `zoo verify`", model.name)


def describe_predictor(predictor: Predictor) -> str:
    """Description of a predictor's device, precision and runtime options, for the log."""
    if not isinstance(predictor, FilePredictor):
        return predictor.device
    if predictor.on_cuda:
        graphs = "captured graphs" if predictor.captures else "no graphs"
        return f"{predictor.device}, {predictor.processor}, {predictor.precision}, {graphs}"
    runtime, precision = predictor.runtime, EXECUTIONS[predictor.execution].precision
    how = f"{predictor.device}, {precision}, {runtime.describe(runtime.streams)}"
    return f"{how}; {'tuned' if predictor.tuned else 'default options; `zoo tune MODEL` finds the fastest ones'}"
