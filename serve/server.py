"""The process: uvicorn around the application."""

import logging
import signal
import socket
import time
from types import FrameType

import uvicorn

from serve.api import create_app
from serve.connections import Connections
from serve.logs import configure_logging
from serve.open_files import allow_files
from serve.service import Service
from serve.settings import Settings
from serve.uvicorn_config import uvicorn_config
from zoo.errors import ZooError
from zoo.onnx_predictor import OnnxPredictor
from zoo.predictor import Predictor


class AddressError(ZooError):
    """The server cannot listen where it was told to."""


class Server(uvicorn.Server):
    """Says that it is not ready as soon as it is told to stop; ends after the notice and what is in work, with 0."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        settings = service.settings
        self._service = service
        self._end = float("inf")
        self._connections = Connections(settings.header_seconds, settings.keep_alive_seconds, settings.max_connections)
        service.metrics.connections.set_function(lambda: len(self.server_state.connections))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own: it raises the signal again in the end, and the process would end by it.
        if self._service.leaving and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        self._service.leaving = True
        self._end = min(self._end, time.monotonic() + self._service.settings.notice_seconds)

    async def on_tick(self, counter: int) -> bool:
        # uvicorn calls it ten times a second.
        if counter % 10 == 0:
            self._connections.sweep(self.server_state.connections, time.monotonic())
        if time.monotonic() >= self._end:
            self._service.draining = self.should_exit = True
        return await super().on_tick(counter)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; models load before the address opens, so that what cannot work fails at once.

    Raises:
        ZooError: a model or the device is not there, or the address is taken.
    """
    configure_logging(settings.log_format, settings.log_level)
    allow_files(settings.max_connections)
    listener = _listen(settings)
    with listener:
        service = Service.open(settings)
        config = uvicorn_config(create_app(service), settings, service.metrics)
        log = logging.getLogger("uvicorn.error")
        for model in service.models.values():
            if model.loaded is None:
                log.info("%s: loaded when it is first asked for", model.name)
                continue
            predictor = model.loaded.predictor
            log.info("%s: %s", model.name, computing(predictor))
            if isinstance(predictor, OnnxPredictor) and model.package.failed(predictor.precision):
                log.warning("%s: `zoo verify` found its ONNX file too far from its network", model.name)
        Server(config, service).run(sockets=[listener])


def computing(predictor: Predictor) -> str:
    """What a model is computed by, and how, for people to read."""
    if not isinstance(predictor, OnnxPredictor):
        return predictor.device
    runtime = predictor.runtime
    how = f"{predictor.device}, {predictor.precision}, {runtime.describe(runtime.streams)}"
    if predictor.on_cuda:
        return how
    return f"{how}; {'tuned' if predictor.tuned else 'defaults; `zoo tune MODEL` finds the best for this machine'}"


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sends small answers at once; else they wait for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise AddressError(
            f"cannot listen on {settings.host} port {settings.port}: {error}; choose another with --host and --port"
        ) from None
    return listener
