"""One process of the server: uvicorn around the application."""

import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import uvicorn

from serve.http.app import create_app
from serve.inference.models import ServedModel
from serve.inference.service import Service
from serve.process.connections import Connections
from serve.process.memory import give_back_large_memory, spare_what_is_loaded
from serve.process.open_files import allow_files
from serve.process.uvicorn_config import uvicorn_config
from serve.settings import Settings
from serve.shared import Shared
from zoo.package import Package
from zoo.predictors import Predictor
from zoo.predictors.onnx import OnnxPredictor
from zoo.signals import handling, stop_signals

_log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Says that it is not ready as soon as it is told to stop; ends after the notice and what is in work, with 0.

    Arguments:
        config: of uvicorn.
        service: that the application answers for.
        started: called when it listens.
    """

    def __init__(self, config: uvicorn.Config, service: Service, started: Callable[[], None]) -> None:
        super().__init__(config)
        settings = service.settings
        self._service = service
        self._started = started
        # Whoever serves alone may outlive the shell that started it.
        self._parent = os.getppid() if multiprocessing.parent_process() else None
        self._end = float("inf")
        self._connections = Connections(settings.header_seconds, settings.keep_alive_seconds, settings.max_connections)
        service.metrics.watch(service.metrics.connections, lambda: len(self.server_state.connections))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own: it raises the signal again in the end, and the process would end by it.
        if self._service.leaving and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        self._service.leaving = True
        self._end = min(self._end, time.monotonic() + self._service.settings.notice_seconds)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn itself knows nothing of SIGHUP.
        with super().capture_signals(), handling(stop_signals(), self.handle_exit):
            yield

    async def on_tick(self, counter: int) -> bool:
        # uvicorn calls it ten times a second.
        if counter % 10 == 0:
            self._connections.sweep(self.server_state.connections, time.monotonic())
            self._service.metrics.refresh()
            if self._parent not in (None, os.getppid()) and not self._service.leaving:
                _log.error("the process that started this one is gone; so ends this one")
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
    """Answer what comes to a socket until SIGTERM or Ctrl-C; models load before it listens.

    Raises:
        ZooError: a model cannot be loaded.
    """
    allow_files(settings.max_connections)
    give_back_large_memory()
    service = Service(settings, packages, shared=shared)
    if not shared.place:
        for model in service.models.values():
            _introduce(model)
    config = uvicorn_config(create_app(service), settings, service.metrics)
    spare_what_is_loaded()
    Server(config, service, started).run(sockets=[listener])


def _introduce(model: ServedModel) -> None:
    if model.loaded is None:
        _log.info("%s: loaded when it is first asked for", model.name)
        return
    predictor = model.loaded.predictor
    _log.info("%s: %s", model.name, computing(predictor))
    if isinstance(predictor, OnnxPredictor) and model.package.verification_failed(predictor.precision):
        _log.warning("%s: parity.json does not say that its ONNX file passed `zoo verify`", model.name)


def computing(predictor: Predictor) -> str:
    """What a model is computed by, and how, for people to read."""
    if not isinstance(predictor, OnnxPredictor):
        return predictor.device
    runtime = predictor.runtime
    how = f"{predictor.device}, {predictor.precision}, {runtime.describe(runtime.streams)}"
    if predictor.on_cuda:
        return how
    return f"{how}; {'tuned' if predictor.tuned else 'defaults; `zoo tune MODEL` finds the best for this machine'}"
