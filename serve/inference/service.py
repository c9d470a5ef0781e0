"""Inference service: decodes the images of a request, computes them in batches and returns the predictions."""

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
from serve.inference.decoding import DecodedImage, Decoding, Upload, decode_small
from serve.inference.memory import cuda_memory_limit
from serve.inference.models import Models, OpenPredictor, ServedModel
from serve.inference.search import open_index
from serve.logs import current
from serve.metrics import Metrics
from serve.settings import Settings
from serve.shared import FairThreads, Shared
from zoo.hub import open_model
from zoo.images.preprocess import Pixels
from zoo.machine import cores
from zoo.package import Package
from zoo.predictors import Prediction, Predictor
from zoo.predictors.cuda_session import CudaOptions, choose_device
from zoo.predictors.file_predictor import ThreadShare
from zoo.predictors.onnx_session import OnnxFile
from zoo.predictors.open_execution import open_execution


class Result(NamedTuple):
    """Decoded images and prediction of one request."""

    images: list[DecodedImage]
    prediction: Prediction
    timing: BatchTiming


class Service:
    """Served models, with the decoding thread pool and admission control.

    Arguments:
        settings: server settings.
        packages: model directories, the default one first.
        open_predictor: loads the predictor of a model directory; None for ONNX files with the options of `settings`.
        shared: state shared with the other processes of the server; None if there is only this one.

    Raises:
        ZooError: a model to load at start-up has no ONNX file, the device is not available, or the index is not of one
            of the models.
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
        """Whether the server has received a stop signal: readiness probes fail."""
        self.draining = False
        """Whether new requests are refused; those in flight are finished."""
        processes = len(self.shared.pids.parts)
        open_predictor = open_predictor or partial(
            _open_onnx, settings, FairThreads(self.shared.computing, self.shared.items), processes
        )
        self.models = Models(packages, open_predictor, settings, self.metrics)
        self.index = open_index(settings.index, [model.package for model in self.models.values()])
        """Index to search; None if the server has none."""
        self.models.load_first()
        if self.index:
            self.models.require_embedding(self.models[self.index.model])
        self._one_core = self.models.device == "cpu" and processes >= cores()
        self._decoders = ThreadPoolExecutor(settings.decoders, thread_name_prefix="decode")

    @staticmethod
    def open(settings: Settings) -> "Service":
        """Open the service of the models in `settings`.

        Raises:
            ZooError: as above, or a model cannot be found.
        """
        return Service(settings, [open_model(reference, settings.files) for reference in settings.model])

    @property
    def ready(self) -> bool:
        """Whether the server accepts requests."""
        return not self.leaving and not self.draining and self.models.alive

    def enter(self) -> Reservation:
        """Reservation for a request, a context manager to enter before its body is read.

        Raises:
            ShuttingDownError: the server is shutting down.
            QueueFullError: there is no room for another image.
        """
        if self.draining:
            raise ShuttingDownError()
        return self.admission.enter()

    def model(self, name: str | None) -> ServedModel:
        """Model with this name, or the default model for None.

        Raises:
            UnknownNameError: the name is not served.
        """
        model = self.models.named(name)
        current().model = model.name
        return model

    async def answer(
        self, model: ServedModel, uploads: Sequence[Upload], deadline: float, keep_images: bool = False
    ) -> Result:
        """Decode images in the thread pool, compute them in a batch, and wait for the result.

        A single small image is decoded on the event loop, and its batch computed there if it is short, if the process
        has one core: threads then take from the loop what they give.

        Arguments:
            model: one of `self.models`.
            uploads: files to classify, at least one.
            deadline: on the clock of `time.monotonic`.
            keep_images: whether to keep the decoded images in the result.

        Raises:
            ImageError: a file is not a readable image; the message names it, and none is computed.
            DeadlineError, ShuttingDownError, ModelUnavailableError: there is no result, or not in time.
        """
        async with self._until(deadline), self.models.use(model) as batcher:
            promise: Promise = asyncio.get_running_loop().create_future()
            if self._one_core and len(uploads) == 1 and not keep_images:
                # Requests that have arrived by now are admitted, and join the batch.
                await asyncio.sleep(0)
                started = time.perf_counter()
                image = decode_small(uploads[0], model.package.config.input_size, self.settings.max_pixels)
                if image:
                    self.metrics.decode.labels(model.name).observe(time.perf_counter() - started)
                    batcher.submit_on_loop(image.pixels[None], deadline, promise)
                    return Result([image], *await promise)
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
        """Declarations in the ONNX file of a model, whether it is loaded or not.

        Raises:
            ModelUnavailableError: the file cannot be opened.
        """
        if model.declared is None:
            async with model.declaring:
                return await asyncio.to_thread(self.models.read_declared, model)
        return model.declared

    async def compute(self, model: ServedModel, pixels: Pixels, deadline: float) -> Answer:
        """Prediction for pixels [N, 3, S, S] of the model's input size S; raises as `answer` does."""
        async with self._until(deadline), self.models.use(model) as batcher:
            promise: Promise = asyncio.get_running_loop().create_future()
            batcher.submit(pixels, deadline, promise)
            return await promise

    def close(self) -> bool:
        """Finish queued requests and stop; returns whether all finished within `drain_seconds`."""
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
            left = max(1, round(1000 * (deadline - started)))
            raise DeadlineError(f"no result within the deadline of {left} ms") from None


def _open_onnx(settings: Settings, share: ThreadShare, processes: int, package: Package) -> Predictor:
    device = choose_device(settings.computing_device)
    limit = cuda_memory_limit(settings.model_memory_mb, processes) if device == "cuda" else 0
    execution = settings.execution(package, device)
    predictor = open_execution(package, execution, device, settings.threads, share=share, cuda=CudaOptions(limit))
    predictor.warm_up(settings.batch_on(device))
    return predictor
