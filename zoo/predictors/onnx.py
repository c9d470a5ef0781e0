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

from zoo.errors import DigestError, PackageError
from zoo.files import sha256
from zoo.hub import reference_of
from zoo.images.preprocess import Pixels
from zoo.machine import cores
from zoo.outputs import INPUT, Output
from zoo.package import CONFIG_FILE, PARITY_FILE, ModelConfig, Package
from zoo.package.timings import Serving
from zoo.predictors import Prediction, check_pixels
from zoo.predictors.cuda_graph import CudaGraphRunner
from zoo.predictors.forks import leak_after_fork, notify_after_fork
from zoo.predictors.onnx_session import DeviceError, declared_by, on_cuda, open_session
from zoo.runtime import Device, Precision, Runtime

ThreadShare = Callable[[int], AbstractContextManager[int]]
"""Context entered for the time of a computation that could use this many threads; yields how many it may use."""


class OnnxPredictor:
    """An ONNX file ready to predict, with the identity that it carries.

    In a forked process it opens the file again at its first call; on CUDA, which does not survive a fork, the call
    raises. Such a process should end by `os._exit`, as those of multiprocessing do: on any other exit, ONNX Runtime, if
    imported before the fork, waits for threads of the parent.

    Arguments:
        file: written by `zoo export`.
        device: `cuda` fails where there is none; `auto` takes CUDA where it works, else the CPU.
        threads: on the CPU, in all; 0 for one a core.
        runtime: how to compute on the CPU; None for the defaults.
        share: on the CPU, what divides the threads with others that compute on this machine; by default nothing does.

    Raises:
        PackageError: ONNX Runtime cannot open the file, or the file names no model.
        DeviceError: CUDA was asked for and cannot be used.
        MissingDependencyError: ONNX Runtime is not installed.
    """

    def __init__(
        self,
        file: Path,
        device: Device = "auto",
        threads: int = 0,
        runtime: Runtime | None = None,
        share: ThreadShare = nullcontext,
    ) -> None:
        threads = threads or cores()
        self.tuned = runtime is not None
        """Whether the runtime was chosen, rather than the default."""
        self.runtime = (runtime or Runtime()).on(threads)
        """The runtime on this machine: with the actual number of streams, and one run for each batch on CUDA."""
        self._session = open_session(file, device, threads, self.runtime)
        self.onnx_sha256 = sha256(file)
        """Digest of the ONNX file."""
        self.declared = declared_by(self._session, file)
        self.config: ModelConfig = self.declared.config
        self.precision: Precision = self.declared.precision
        self.on_cuda = on_cuda(self._session)
        self._graphs: CudaGraphRunner | None = None
        if self.on_cuda:
            self.runtime = replace(self.runtime, streams=1, part=0)
            self._graphs = CudaGraphRunner(self._session, self.declared.outputs, self.config.input_size)
            leak_after_fork(self._graphs)
        self._file, self._threads, self._share = file, threads, share
        self._sessions = {threads: self._session}
        self._opening = threading.Lock()
        self._forked = False
        notify_after_fork(self)

    def after_fork(self) -> None:
        """Discard the threads, which are the parent's."""
        self._forked = True
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
    ) -> "OnnxPredictor":
        """The ONNX file of a model directory, computed as its `serving.json` says.

        Arguments:
            package: the model directory.
            device, threads: as above.
            precision: None for what `serving.json` says, or single precision.
            runtime: None for what `serving.json` says if it was measured with this very file and on as many cores and
                threads as there are here, else for the defaults.
            share: as above.
            require_verified: whether a file that `parity.json` was not written for is refused.

        Raises:
            PackageError: there is no such ONNX file, or it was exported from other weights than the directory holds.
            DigestError: it is not the file that `parity.json` was written for.
            DeviceError, MissingDependencyError: as above.
        """
        serving = Serving.read(package) if precision is None or runtime is None else Serving()
        precision = precision or serving.precision
        file = require_onnx(package, precision)
        verified, digest = package.verified_sha256(precision), sha256(file)
        if require_verified and verified not in (None, digest):
            raise DigestError(
                f"{file} has SHA-256 {digest}, but {PARITY_FILE} was written for {verified}; the file is damaged or "
                "was replaced: fetch it again, or compare the new one (zoo verify)"
            )
        if runtime is None and serving.fits(digest, threads or cores()):
            runtime = serving.runtime
        predictor = OnnxPredictor(file, device, threads, runtime, share)
        if predictor.precision != precision:
            raise PackageError(
                f"{file} is in {predictor.precision}, not in {precision} as its name says; export it again"
            )
        own, expected = asdict(predictor.config), asdict(package.config)
        if own != expected:
            differing = ", ".join(name for name in own if own[name] != expected[name])
            raise PackageError(
                f"{file} was not exported from this model directory: {differing} differ from {CONFIG_FILE}; "
                "export it again"
            )
        return predictor

    @property
    def device(self) -> str:
        return f"ONNX Runtime on {'CUDA' if self.on_cuda else 'the CPU'}"

    def __call__(self, pixels: Pixels) -> Prediction:
        check_pixels(pixels, self.config)
        if self._graphs:
            if self._forked:
                raise DeviceError(
                    f"{self.config.name} was opened on CUDA before this process was forked, which CUDA does not "
                    "survive; start processes by multiprocessing's `spawn`, and open the model in each"
                )
            return self._graphs(pixels)
        with self._share(self._threads) as threads:
            return self._compute(pixels, threads)

    def _compute(self, pixels: Pixels, threads: int) -> Prediction:
        """The prediction, computed by this many threads."""
        all_threads = threads >= self._threads
        if len(pixels) == 1:
            return run_session(self._session_with(self._threads if all_threads else 1), self.declared.outputs, pixels)
        # Where others compute too, threads that wait for each other would wait long: each has parts of its own.
        streams = self.runtime.streams if all_threads else min(threads, len(pixels))
        parts = list(_split(pixels, replace(self.runtime, streams=streams).parts(len(pixels), threads)))
        streams = min(streams, len(parts))
        # A session's threads help whichever stream asks, beside the streams' own: as many as there may be in all.
        session = self._session_with(self._threads - streams + 1 if all_threads else 1)
        if len(parts) == 1:
            return run_session(session, self.declared.outputs, pixels)
        return Prediction.join(self._run_streams(session, parts, streams))

    def _run_streams(self, session: Any, parts: list[Pixels], streams: int) -> list[Prediction]:
        """Each stream takes the next part; the caller is one of them, so that one thread less has to be woken."""
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
        """A session whose operations share this many threads, opened when it is first needed."""
        with self._opening:
            if threads not in self._sessions:
                self._sessions[threads] = open_session(self._file, "cpu", threads, self.runtime)
            return self._sessions[threads]


def require_onnx(package: Package, precision: Precision | None = None) -> Path:
    """The ONNX file of a model directory.

    Arguments:
        package: the model directory.
        precision: None for what `serving.json` says, or single precision.

    Raises:
        PackageError: there is none; names the command that writes it.
    """
    precision = precision or Serving.read(package).precision
    file = package.onnx(precision)
    if file is None:
        option = "" if precision == "fp32" else f" --precision {precision}"
        command = f"zoo export {reference_of(package)}{option}"
        raise PackageError(
            f"{package.path} has no ONNX file in {precision}; make one with `{command}`, which needs PyTorch: "
            "pip install 'template-zoo[export]'"
        )
    return file


def _split(pixels: Pixels, count: int) -> Iterator[Pixels]:
    """Split pixels into parts of nearly equal size."""
    bounds = [len(pixels) * index // count for index in range(count + 1)]
    return (pixels[start:stop] for start, stop in itertools.pairwise(bounds))


def run_session(session: Any, outputs: tuple[Output, ...], pixels: Pixels) -> Prediction:
    """The prediction of a session for pixels [N, 3, S, S]; `outputs` are those that its file declares."""
    return Prediction(outputs, session.run([output.name for output in outputs], {INPUT: pixels}))
