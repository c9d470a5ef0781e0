"""A true application over a predictor whose speed a test can choose, and what sends pictures to it."""

import io
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from zoo.hub import DEFAULT_MODEL, open_model
from zoo.package import ModelConfig
from zoo.predictor import Prediction, Predictor
from zoo.preprocess import Pixels

CONFIG = open_model(DEFAULT_MODEL).config


@dataclass
class GatedPredictor:
    """Answers with the mean of each picture's pixels in class 0, when its gate is open."""

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
        return Prediction(logits, np.repeat(logits[:, :, None, None], 4, axis=2).reshape(-1, classes, 2, 2), assignment)


class MakeClient(Protocol):
    def __call__(self, predictor: Predictor | None = None, **settings: object) -> TestClient: ...


def send(client: TestClient, path: str, *files: Path | tuple[str, bytes], **options: Any) -> Any:
    """Post files as a form."""
    named = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
    return client.post(path, files=[("file", item) for item in named], **options)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
