"""The process: uvicorn around the application."""

import logging
import socket
from types import FrameType

import uvicorn

from serve.api import create_app
from serve.service import Service
from serve.settings import Settings
from zoo.errors import ZooError
from zoo.onnx_predictor import OnnxPredictor
from zoo.predictor import Predictor


class AddressError(ZooError):
    """The server cannot listen where it was told to."""


class Server(uvicorn.Server):
    """Says that it is not ready as soon as it is told to stop, and before its connections are closed."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.draining = True
        super().handle_exit(sig, frame)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; models load before the address opens, so that what cannot work fails at once.

    Raises:
        ZooError: a model or the device is not there, or the address is taken.
    """
    listener = _listen(settings)
    with listener:
        service = Service.open(settings)
        config = uvicorn.Config(create_app(service), timeout_graceful_shutdown=round(settings.drain_seconds))
        log = logging.getLogger("uvicorn.error")
        for model in service.models.values():
            predictor = model.batcher.predictor
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
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise AddressError(
            f"cannot listen on {settings.host} port {settings.port}: {error}; choose another with --host and --port"
        ) from None
    return listener
