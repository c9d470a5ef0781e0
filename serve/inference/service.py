"""The way of a request through the server: decoded, computed with others, answered."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import numpy as np

from serve.errors import DeadlineError, ShuttingDownError
from serve.inference.admission import Admission, Reservation
from serve.inference.batcher import Answer, BatchTiming, Promise
from serve.inference.decoding import DecodedImage, Decoding, Upload
from serve.inference.models import Models, OpenPredictor, ServedModel
from serve.logs import current
from serve.metrics import Metrics
from serve.settings import Settings
from serve.shared import FairThreads, Shared
from zoo.hub import open_model
from zoo.images.preprocess import Pixels
from zoo.package import Package
from zoo.predictors import Prediction, Predictor
from zoo.predictors.onnx import OnnxPredictor, ThreadShare
from zoo.predictors.onnx_session import OnnxFile


class Result(NamedTuple):
    """The answer to one request."""

    images: list[DecodedImage]
    prediction: Prediction
    timing: BatchTiming


class Service:
    """The served models, the pool that decodes for them, and the bound on what is in flight.

    Arguments:
        settings: of the server.
        packages: the model directories, the default one first.
        open_predictor: loads what computes one of them; None for ONNX Runtime as the settings say.
        shared: with the other processes of the server; None where there are none.

    Raises:
        ZooError: a model that is loaded at the start has no ONNX file, or its device is not there.
    """

    def __init__(
        self,
        settings: Settings,
        packages: Iterable[Package],
        open_predictor: OpenPredictor | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.settings = settings
        self.shared = shared or Shared.create()
        self.metrics = Metrics(self.shared)
        self.admission = Admission(settings.max_queue, settings.max_queue_bytes, self.shared)
        self.leaving = False
        """Whether the server was told to stop: probes are told that it is not ready."""
        self.draining = False
        """Whether it takes no more requests; those that have entered are answered."""
        open_predictor = open_predictor or partial(_open_onnx, settings, FairThreads(self.shared.computing))
        self.models = Models(packages, open_predictor, settings, self.metrics)
        self.models.load_first()
        self._decoders = ThreadPoolExecutor(settings.decoders, thread_name_prefix="decode")

    @staticmethod
    def open(settings: Settings) -> "Service":
        """The models of the settings.

        Raises:
            ZooError: as above, or a model is not there.
        """
        return Service(settings, [open_model(reference, settings.files) for reference in settings.model])

    @property
    def ready(self) -> bool:
        """Whether requests are taken and answered."""
        return not self.leaving and not self.draining and self.models.alive

    def enter(self) -> Reservation:
        """A reservation for a request, before its body is read; to be entered by `with`.

        Raises:
            ShuttingDownError: no more requests are taken.
            QueueFullError: there is no room for another image.
        """
        if self.draining:
            raise ShuttingDownError()
        return self.admission.enter()

    def model(self, name: str | None) -> ServedModel:
        """The model called `name`, or the default one.

        Raises:
            UnknownNameError: it is not served here.
        """
        model = self.models.named(name)
        current().model = model.name
        return model

    async def answer(
        self, model: ServedModel, uploads: Sequence[Upload], deadline: float, keep_images: bool = False
    ) -> Result:
        """Decode images off the event loop, compute them with others, and wait for the answer.

        Arguments:
            model: of `self.models`.
            uploads: at least one.
            deadline: on the clock of `time.monotonic`.
            keep_images: whether the result holds the decoded images.

        Raises:
            ImageError: one of them is not a readable image; the message names it, and none is computed.
            DeadlineError, ShuttingDownError, ModelUnavailableError: there will be no answer, or none in time.
        """
        async with self._until(deadline), self.models.use(model) as batcher:
            promise: Promise = asyncio.get_running_loop().create_future()
            started = time.perf_counter()

            def decoded(decoding: Decoding) -> None:
                self.metrics.decode.labels(model.name).observe(time.perf_counter() - started)
                if not decoding.images:
                    batcher.give_up(promise, decoding.error)
                    return
                pixels = [image.pixels for image in decoding.images]
                batcher.submit(pixels[0][None] if len(pixels) == 1 else np.stack(pixels), deadline, promise, True)

            decoding = Decoding(
                uploads,
                size=model.package.config.input_size,
                max_pixels=self.settings.max_pixels,
                keep_images=keep_images,
                wanted=lambda: not promise.done(),
                done=decoded,
            )
            batcher.expect()
            decoding.start(self._decoders)
            answer = await promise
            return Result(decoding.images, *answer)

    async def declared(self, model: ServedModel) -> OnnxFile:
        """What the ONNX file of a model declares, loaded or not.

        Raises:
            ModelUnavailableError: the file cannot be opened.
        """
        if model.declared is None:
            async with model.declaring:
                return await asyncio.to_thread(self.models.read_declared, model)
        return model.declared

    async def compute(self, model: ServedModel, pixels: Pixels, deadline: float) -> Answer:
        """As `answer`, for pixels [N, 3, S, S] of the model's input size S."""
        async with self._until(deadline), self.models.use(model) as batcher:
            promise: Promise = asyncio.get_running_loop().create_future()
            batcher.submit(pixels, deadline, promise)
            return await promise

    def close(self) -> bool:
        """Finish what waits, and end; whether everything was done within the limit."""
        self.draining = True
        done = self.models.close(self.settings.drain_seconds)
        self._decoders.shutdown(wait=False, cancel_futures=True)
        return done

    @asynccontextmanager
    async def _until(self, deadline: float) -> AsyncIterator[None]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline - started):
                yield
        except TimeoutError:
            raise DeadlineError(f"no answer within the deadline of {1000 * (deadline - started):.0f} ms") from None


def _open_onnx(settings: Settings, share: ThreadShare, package: Package) -> Predictor:
    predictor = OnnxPredictor.open(package, settings.device, settings.threads, settings.chosen_precision, share=share)
    # The first requests do not wait for what is opened, and planned, when it is first needed.
    size = predictor.config.input_size
    for count in (1, settings.max_batch):
        predictor(np.zeros((count, 3, size, size), np.uint8))
    return predictor
