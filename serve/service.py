"""The models that a server has, and the way of a request through one of them."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from serve.admission import Admission
from serve.batcher import Batcher, BatchReport, Timing
from serve.errors import DeadlineError, ShuttingDownError
from serve.metrics import Metrics
from serve.settings import Settings
from serve.upload import Upload
from zoo.decode import decode
from zoo.errors import ImageError, InputError, UnknownNameError
from zoo.hub import open_model
from zoo.onnx_predictor import OnnxPredictor
from zoo.package import Package
from zoo.predictor import Prediction, Predictor
from zoo.preprocess import Box, Pixels, to_pixels
from zoo.registry import info


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model with its queue and session."""

    package: Package
    batcher: Batcher
    admission: Admission

    @property
    def name(self) -> str:
        return self.package.config.name

    @property
    def patch_source(self) -> str:
        """Where its patch logits come from."""
        return info(self.package.config.variant).patch_source


class Picture(NamedTuple):
    """A decoded upload."""

    name: str
    width: int
    height: int
    """Of the upright picture, in its pixels."""
    pixels: Pixels
    box: Box
    """The part of the upright picture that the pixels show."""
    image: Image.Image | None
    """The upright picture in RGB, where it was asked for: it may have a thousand times the pixels' bytes."""


class Result(NamedTuple):
    """The answer to one request."""

    pictures: list[Picture]
    prediction: Prediction
    timing: Timing


class Service:
    """The served models and the pool that decodes for them.

    Arguments:
        settings: of the server.
        predictors: what computes for each model directory, the default model first.
    """

    def __init__(self, settings: Settings, predictors: Sequence[tuple[Package, Predictor]]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.draining = False
        self.models: Mapping[str, ServedModel] = {
            package.config.name: ServedModel(package, self._batcher(predictor), Admission(settings.max_queue))
            for package, predictor in predictors
        }
        self._decoders = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decode")

    @staticmethod
    def open(settings: Settings) -> "Service":
        """Load every model of the settings.

        Raises:
            ZooError: a model is not there, has no ONNX file, or its device is not there.
        """
        packages = [open_model(reference) for reference in settings.model]
        for package, other in itertools.combinations(packages, 2):
            if package.config.name == other.config.name:
                raise InputError(
                    f"{package.path} and {other.path} both hold a model called {package.config.name!r}; "
                    "serve one of them, or train the other under another data set name"
                )
        for package in packages:
            info(package.config.variant)
        precision = None if settings.precision == "auto" else settings.precision
        predictors = [OnnxPredictor.open(package, settings.device, settings.threads, precision) for package in packages]
        for predictor in predictors:
            # The first requests do not wait for what is opened, and planned, when it is first needed.
            size = predictor.config.input_size
            for count in (1, settings.max_batch):
                predictor(np.zeros((count, 3, size, size), np.uint8))
        return Service(settings, list(zip(packages, predictors, strict=True)))

    @property
    def ready(self) -> bool:
        """Whether requests are taken and answered."""
        return not self.draining and all(model.batcher.alive for model in self.models.values())

    def model(self, name: str | None) -> ServedModel:
        """The model called `name`, or the default one.

        Raises:
            UnknownNameError: it is not served here.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise UnknownNameError("model of this server", name, self.models)
        return self.models[name]

    async def answer(self, model: ServedModel, uploads: Sequence[Upload], keep_images: bool = False) -> Result:
        """Decode pictures off the event loop, compute them with others, and wait for the answer.

        Arguments:
            model: of `self.models`.
            uploads: at least one; the deadline starts now that they are there.
            keep_images: whether the result holds the decoded pictures.

        Raises:
            ImageError: one of them is not a readable picture; the message names it, and none is computed.
            DeadlineError, ShuttingDownError: see `Batcher.submit`.
        """
        if self.draining:
            raise ShuttingDownError("the server is shutting down; ask another one")
        deadline = time.monotonic() + self.settings.deadline_ms / 1000
        try:
            async with asyncio.timeout(self.settings.deadline_ms / 1000):
                with self.metrics.decode.time():
                    pictures = await self._decode(uploads, model.package.config.input_size, keep_images)
                pixels = np.stack([picture.pixels for picture in pictures])
                answer = await asyncio.wrap_future(model.batcher.submit(pixels, deadline))
        except TimeoutError:
            raise DeadlineError(f"no answer within the deadline of {self.settings.deadline_ms:.0f} ms") from None
        return Result(pictures, *answer)

    def close(self) -> bool:
        """Finish what waits, and end; whether everything was done within the limit."""
        self.draining = True
        deadline = time.monotonic() + self.settings.drain_seconds
        done = [model.batcher.close(max(deadline - time.monotonic(), 0)) for model in self.models.values()]
        self._decoders.shutdown(wait=False, cancel_futures=True)
        return all(done)

    async def _decode(self, uploads: Sequence[Upload], size: int, keep_images: bool) -> list[Picture]:
        loop, limit = asyncio.get_running_loop(), self.settings.max_pixels
        decoding = [
            loop.run_in_executor(self._decoders, _read_picture, upload, size, limit, keep_images) for upload in uploads
        ]
        try:
            return await asyncio.gather(*decoding)
        except BaseException:
            # One bad picture refuses the request: the others must not hold up those of other requests.
            for picture in decoding:
                picture.cancel()
            raise

    def _batcher(self, predictor: Predictor) -> Batcher:
        name, metrics = predictor.config.name, self.metrics

        def observe(report: BatchReport) -> None:
            for seconds in report.queue:
                metrics.queue.labels(name).observe(seconds)
            metrics.compute.labels(name).observe(report.compute)
            metrics.batch.labels(name).observe(report.batch)

        batcher = Batcher(
            predictor,
            max_batch=self.settings.max_batch,
            max_wait=self.settings.max_wait_ms / 1000,
            observe=observe,
        )
        metrics.watch_queue(name, lambda: batcher.depth)
        return batcher


def _read_picture(upload: Upload, size: int, max_pixels: int, keep_image: bool) -> Picture:
    try:
        image = decode(upload.data, max_pixels)
    except ImageError as error:
        raise type(error)(f"{upload.name}: {error}") from None
    pixels, box = to_pixels(image, size)
    return Picture(upload.name, image.width, image.height, pixels, box, image if keep_image else None)
