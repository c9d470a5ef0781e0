"""A true application over a predictor whose speed a test can choose, and what sends images to it."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import uvicorn
from PIL import Image
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.preprocess import Pixels
from zoo.outputs import STANDARD
from zoo.package import ModelConfig
from zoo.predictors import Prediction, Predictor

CONFIG = open_model(DEFAULT_MODEL).config


@dataclass
class GatedPredictor:
    """Answers with the mean of each image's pixels in class 0, when its gate is open."""

    config: ModelConfig = CONFIG
    device: str = "a test"
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, pixels: Pixels) -> Prediction:
        self.batches.append(len(pixels))
        self.entered.set()
        assert self.gate.wait(20)
        if self.error:
            raise self.error
        classes = len(self.config.classes)
        logits = np.zeros((len(pixels), classes), dtype=np.float32)
        logits[:, 0] = pixels.mean(axis=(1, 2, 3))
        assignment = np.full((len(pixels), classes + 1, 2, 2), 1 / (classes + 1), dtype=np.float32)
        patch_logits = np.repeat(logits[:, :, None, None], 4, axis=2).reshape(-1, classes, 2, 2)
        return Prediction(STANDARD, [logits, patch_logits, assignment])


class MakeClient(Protocol):
    def __call__(self, predictor: Predictor | None = None, **settings: object) -> TestClient: ...


def send(client: TestClient, path: str, *files: Path | tuple[str, bytes], **options: Any) -> Any:
    """Post files as a form."""
    named = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
    return client.post(path, files=[("file", item) for item in named], **options)


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """A real server of this process for an application: its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        _, port = server.servers[0].sockets[0].getsockname()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """An image as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
