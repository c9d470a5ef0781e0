"""ONNX Runtime as a predictor, on CUDA or the CPU."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.images.preprocess import Pixels
from zoo.machine import cores
from zoo.nvidia import gpu_name
from zoo.outputs import INPUT, Output
from zoo.package import Package
from zoo.predictors import Prediction, check_pixels
from zoo.predictors.choice import choose_execution
from zoo.predictors.cuda_model import CudaModel
from zoo.predictors.cuda_session import CudaOptions, choose_device
from zoo.predictors.file_predictor import FilePredictor, ThreadShare, checked_file, require_own, tuned_runtime
from zoo.predictors.onnx_session import declared_by, open_session, read_declarations
from zoo.runtime import EXECUTIONS, Device, Precision, Runtime


class OnnxPredictor(FilePredictor):
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
        self.on_cuda = choose_device(device) == "cuda"
        # Whole batches on CUDA.
        settings = Runtime(streams=1, part=0) if self.on_cuda else (runtime or Runtime()).on(threads)
        self._sessions: dict[int, Any] = {}
        self._cuda: CudaModel | None = None
        if self.on_cuda:
            declared = read_declarations(file)
            self._cuda = CudaModel(file, declared, cuda)
        else:
            self._sessions[threads] = open_session(file, threads, settings)
            declared = declared_by(self._sessions[threads], file)
        super().__init__(file, declared, declared.precision, threads, settings, runtime is not None, share)
        self._opening = threading.Lock()

    def after_fork(self) -> None:
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
            precision: None for that of `choose_execution`.
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
        precision = precision or EXECUTIONS[choose_execution(package, device, "onnxruntime")].file
        file = checked_file(package, precision, require_verified)
        runtime = runtime or tuned_runtime(package, precision, threads)
        predictor = OnnxPredictor(file, device, threads, runtime, share, cuda)
        require_own(predictor, package, precision, file)
        return predictor

    @property
    def processor(self) -> str:
        """Model name of what computes: of the GPU on CUDA, otherwise of the CPU."""
        return gpu_name() if self.on_cuda else super().processor

    @property
    def captures(self) -> bool:
        return self._cuda is not None and self._cuda.captures

    def warm_up(self, count: int) -> None:
        if self._cuda:
            self._cuda.warm_up(count)
        else:
            super().warm_up(count)

    def __call__(self, pixels: Pixels) -> Prediction:
        if self._cuda:
            check_pixels(pixels, self.config)
            return self._cuda(pixels)
        return super().__call__(pixels)

    def _compute(self, pixels: Pixels, threads: int) -> Prediction:
        all_threads = threads >= self._threads
        parts, streams = self._divide(pixels, threads)
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
        if session := self._sessions.get(threads):
            return session
        with self._opening:
            if threads not in self._sessions:
                self._sessions[threads] = open_session(self._file, threads, self.runtime)
            return self._sessions[threads]


def run_session(session: Any, outputs: tuple[Output, ...], pixels: Pixels) -> Prediction:
    """The prediction of a session for pixels [N, 3, S, S]; `outputs` are those declared in its file."""
    return Prediction(outputs, session.run([output.name for output in outputs], {INPUT: pixels}))
