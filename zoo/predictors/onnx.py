"""ONNX Runtime as a predictor, on CUDA or the CPU."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import DigestError, PackageError
from zoo.files import sha256
from zoo.hub import reference_of
from zoo.images.preprocess import Pixels
from zoo.machine import cores, processor
from zoo.nvidia import gpu_name
from zoo.outputs import INPUT, Output
from zoo.package import CONFIG_FILE, PARITY_FILE, ModelConfig, Package
from zoo.package.timings import Serving
from zoo.predictors import Prediction, check_pixels
from zoo.predictors.cuda_model import CudaModel
from zoo.predictors.cuda_session import CudaOptions, choose_device
from zoo.predictors.forks import notify_after_fork
from zoo.predictors.onnx_session import declared_by, open_session, read_declarations
from zoo.runtime import ChosenDevice, Device, Precision, Runtime

ThreadShare = Callable[[int], AbstractContextManager[int]]
"""Context of a computation that could use this many threads; yields the number of threads that it may use."""


class OnnxPredictor:
    """Predictor for an ONNX file, with the identity in its metadata.

    In a forked process, the first call opens the file again; on CUDA, which does not survive a fork, it raises. Such a
    process should end with `os._exit`, as those of multiprocessing do: on any other exit, ONNX Runtime, if imported
    before the fork, waits for threads of the parent.

    Arguments:
        file: ONNX file written by `zoo export`.
        device: `cuda` fails if it is not available; `auto` uses CUDA if it works, otherwise the CPU.
        threads: total number of CPU threads; 0 for one per core.
        runtime: settings on the CPU; None for the defaults.
        share: shares the CPU threads with other computations on this machine; by default there are none.
        cuda: settings on CUDA.

    Raises:
        PackageError: ONNX Runtime cannot open the file, or it lacks a model's metadata.
        DeviceError: CUDA was requested and cannot be used.
        MissingDependencyError: ONNX Runtime is not installed.
    """

    def __init__(
        self,
        file: Path,
        device: Device = "auto",
        threads: int = 0,
        runtime: Runtime | None = None,
        share: ThreadShare = nullcontext,
        cuda: CudaOptions = CudaOptions(),
    ) -> None:
        threads = threads or cores()
        self.tuned = runtime is not None
        """Whether the runtime settings were given, rather than the defaults."""
        self.on_cuda = choose_device(device) == "cuda"
        self.runtime = Runtime(streams=1, part=0) if self.on_cuda else (runtime or Runtime()).on(threads)
        """Settings in effect: with the actual number of streams, and whole batches on CUDA."""
        self._sessions: dict[int, Any] = {}
        self._cuda: CudaModel | None = None
        if self.on_cuda:
            self.declared = read_declarations(file)
            self._cuda = CudaModel(file, self.declared, cuda)
        else:
            self._sessions[threads] = open_session(file, threads, self.runtime)
            self.declared = declared_by(self._sessions[threads], file)
        self.onnx_sha256 = sha256(file)
        """Digest of the ONNX file."""
        self.config: ModelConfig = self.declared.config
        self.precision: Precision = self.declared.precision
        self._file, self._threads, self._share = file, threads, share
        self._opening = threading.Lock()
        notify_after_fork(self)

    def after_fork(self) -> None:
        """Discard the sessions and threads, which are the parent's."""
        self._opening = threading.Lock()
        self._sessions = {}
        self.__dict__.pop("_pool", None)

    @staticmethod
    def open(
        package: Package,
        device: Device = "auto",
        threads: int = 0,
        precision: Precision | None = None,
        runtime: Runtime | None = None,
        share: ThreadShare = nullcontext,
        require_verified: bool = True,
        cuda: CudaOptions = CudaOptions(),
    ) -> "OnnxPredictor":
        """Open the ONNX file of a model directory with the settings in its `serving.json`.

        Arguments:
            package: the model directory.
            device, threads: as above.
            precision: None for that of `choose_precision`.
            runtime: None for that of `serving.json` if it was measured with the same file, cores and threads, otherwise
            for the defaults.
            share, cuda: as above.
            require_verified: whether to refuse a file with another digest than in `parity.json`.

        Raises:
            PackageError: there is no such ONNX file, or it was exported from other weights than those in the directory.
            DigestError: its digest differs from that in `parity.json`.
            DeviceError, MissingDependencyError: as above.
        """
        device = choose_device(device)
        precision = precision or choose_precision(package, device)
        file = require_onnx(package, precision)
        verified, digest = package.verified_sha256(precision), sha256(file)
        if require_verified and verified not in (None, digest):
            raise DigestError(
                f"{file} has SHA-256 {digest}, but {PARITY_FILE} was written for {verified}; the file is damaged or "
                "was replaced: fetch it again, or verify the new one (zoo verify)"
            )
        if runtime is None and (serving := Serving.read(package)).fits(digest, threads or cores()):
            runtime = serving.runtime
        predictor = OnnxPredictor(file, device, threads, runtime, share, cuda)
        if predictor.precision != precision:
            raise PackageError(
                f"{file} has precision {predictor.precision}, not {precision} as in its name; export it again"
            )
        own, expected = asdict(predictor.config), asdict(package.config)
        if own != expected:
            differing = ", ".join(name for name in own if own[name] != expected[name])
            raise PackageError(
                f"{file} was not exported from this model directory: it differs from {CONFIG_FILE} in {differing}; "
                "export it again"
            )
        return predictor

    @property
    def device(self) -> str:
        return f"ONNX Runtime on {'CUDA' if self.on_cuda else 'the CPU'}"

    @property
    def processor(self) -> str:
        """Model name of what computes: of the GPU on CUDA, otherwise of the CPU."""
        return gpu_name() if self.on_cuda else processor()

    @property
    def captures(self) -> bool:
        """Whether it computes by captured graphs, as on CUDA where the file allows it."""
        return self._cuda is not None and self._cuda.captures

    def warm_up(self, count: int) -> None:
        """Compute noise in batches of up to `count` images, so that no later batch waits for lazy initialisation."""
        if self._cuda:
            self._cuda.warm_up(count)
            return
        size = self.config.input_size
        for images in dict.fromkeys((1, count)):
            self(np.zeros((images, 3, size, size), np.uint8))

    def __call__(self, pixels: Pixels) -> Prediction:
        check_pixels(pixels, self.config)
        if self._cuda:
            return self._cuda(pixels)
        with self._share(self._threads) as threads:
            return self._compute(pixels, threads)

    def _compute(self, pixels: Pixels, threads: int) -> Prediction:
        """The prediction, computed with this many threads."""
        all_threads = threads >= self._threads
        if len(pixels) == 1:
            return run_session(self._session_with(self._threads if all_threads else 1), self.declared.outputs, pixels)
        # With other computations running, threads that wait for each other would wait long: each has its own parts.
        streams = self.runtime.streams if all_threads else min(threads, len(pixels))
        parts = list(_split(pixels, replace(self.runtime, streams=streams).parts(len(pixels), threads)))
        streams = min(streams, len(parts))
        # The session's threads help any stream, in addition to the streams' own: together no more than allowed.
        session = self._session_with(self._threads - streams + 1 if all_threads else 1)
        if len(parts) == 1:
            return run_session(session, self.declared.outputs, pixels)
        return Prediction.join(self._run_streams(session, parts, streams))

    def _run_streams(self, session: Any, parts: list[Pixels], streams: int) -> list[Prediction]:
        """Run parts on streams, each of which takes the next part; the caller is one, which saves waking a thread."""
        waiting = enumerate(parts)
        answers: dict[int, Prediction] = {}

        def stream() -> None:
            for index, part in waiting:
                answers[index] = run_session(session, self.declared.outputs, part)

        others = [self._pool.submit(stream) for _ in range(streams - 1)]
        stream()
        for other in others:
            other.result()
        return [answers[index] for index in range(len(parts))]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max(self._threads - 1, 1), thread_name_prefix=self.config.name)

    def _session_with(self, threads: int) -> Any:
        """A session whose operations share this many threads, opened on first use."""
        with self._opening:
            if threads not in self._sessions:
                self._sessions[threads] = open_session(self._file, threads, self.runtime)
            return self._sessions[threads]


def choose_precision(package: Package, device: ChosenDevice) -> Precision:
    """Precision in which a model is computed on a device unless another one is requested: the one that `zoo tune`
    saved for the device, otherwise fp32, or fp16 on CUDA if there is such a file.

    Raises:
        PackageError: `serving.json` is not valid.
    """
    return Serving.read(package).precision_on(device, package.precisions)


def require_onnx(package: Package, precision: Precision) -> Path:
    """Path of the ONNX file of a model directory.

    Raises:
        PackageError: there is none; names the command that creates it.
    """
    file = package.onnx(precision)
    if file is None:
        option = "" if precision == "fp32" else f" --precision {precision}"
        command = f"zoo export {reference_of(package)}{option}"
        raise PackageError(
            f"{package.path} has no ONNX file in {precision}; create one with `{command}`, which needs PyTorch: "
            "pip install 'template-zoo[export]'"
        )
    return file


def _split(pixels: Pixels, count: int) -> Iterator[Pixels]:
    """Split pixels into parts of nearly equal size."""
    bounds = [len(pixels) * index // count for index in range(count + 1)]
    return (pixels[start:stop] for start, stop in itertools.pairwise(bounds))


def run_session(session: Any, outputs: tuple[Output, ...], pixels: Pixels) -> Prediction:
    """The prediction of a session for pixels [N, 3, S, S]; `outputs` are those declared in its file."""
    return Prediction(outputs, session.run([output.name for output in outputs], {INPUT: pixels}))
