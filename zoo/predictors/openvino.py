"""OpenVINO as a predictor on the CPU, where its package is installed."""

import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zoo.errors import DeviceError, PackageError
from zoo.extras import importing
from zoo.images.preprocess import Pixels
from zoo.machine import cores, processor
from zoo.package import Package
from zoo.predictors import Prediction
from zoo.predictors.choice import is_possible
from zoo.predictors.file_predictor import FilePredictor, ThreadShare, checked_file, require_own, tuned_runtime
from zoo.predictors.forks import leak_after_fork, notify_after_fork
from zoo.predictors.onnx_session import read_declarations
from zoo.runtime import EXECUTIONS, Execution, Runtime

_DEVICE = "CPU"
_TYPES = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""OpenVINO's names of the precisions of computing, for what is not quantised in the file."""


class OpenVinoPredictor(FilePredictor):
    """Predictor for an ONNX file with OpenVINO, which does not compute in processes forked from one where it did.

    A batch is divided as with ONNX Runtime: parts are inference requests, which as many streams compute concurrently.
    The network is compiled for batches of any size, since compiling takes longer than hundreds of images and was
    measured to save nothing.

    Arguments:
        file: ONNX file written by `zoo export`.
        execution: `openvino-fp32`, `openvino-bf16` or `openvino-int8`, which the file must fit.
        threads: total number of threads; 0 for one per core.
        runtime: settings; None for the defaults.
        share: shares the threads with other computations on this machine; by default there are none.

    Raises:
        PackageError: the file cannot be opened, or it lacks a model's metadata.
        DeviceError: this processor does not compute in bf16, OpenVINO crashes in int8 on it, or OpenVINO computed in a
            process that this one was forked from; a predictor that was opened before the fork raises this when called.
        MissingDependencyError: OpenVINO or ONNX Runtime, which reads the metadata, is not installed.
    """

    def __init__(
        self,
        file: Path,
        execution: Execution = "openvino-fp32",
        threads: int = 0,
        runtime: Runtime | None = None,
        share: ThreadShare = nullcontext,
    ) -> None:
        threads = threads or cores()
        import_openvino()
        if EXECUTIONS[execution].precision == "int8" and not is_possible(execution):
            raise DeviceError(
                f"OpenVINO crashes in int8 on this processor ({processor()}), which has AMX; use --engine onnxruntime "
                "or --precision fp32. See https://github.com/openvinotoolkit/openvino/issues/37577"
            )
        settings, tuned = (runtime or Runtime()).on(threads), runtime is not None
        super().__init__(file, read_declarations(file), execution, threads, settings, tuned, share)
        self.after_fork()
        self._compiled_with(1)

    @staticmethod
    def open(
        package: Package,
        execution: Execution = "openvino-fp32",
        threads: int = 0,
        runtime: Runtime | None = None,
        share: ThreadShare = nullcontext,
        require_verified: bool = True,
    ) -> "OpenVinoPredictor":
        """Open the ONNX file of a model directory; arguments and errors as for `OnnxPredictor.open`."""
        file = checked_file(package, execution, require_verified)
        runtime = runtime or tuned_runtime(package, execution, threads)
        predictor = OpenVinoPredictor(file, execution, threads, runtime, share)
        require_own(predictor, package, execution, file)
        return predictor

    def after_fork(self) -> None:
        self._opening = threading.Lock()
        self._compiled: dict[int, _Compiled] = {}

    def _compute(self, pixels: Pixels, threads: int) -> Prediction:
        all_threads = threads >= self._threads
        parts, streams = self._divide(pixels, threads)
        # With all threads, a request waits behind each one that is computed, so that no stream waits for Python.
        # Otherwise as many requests are computed as there are threads for them, one each.
        compiled = self._compiled_with(streams if all_threads else self._threads)
        answers = compiled.run(parts, 2 * streams if all_threads else streams)
        names = [output.name for output in self.declared.outputs]
        found = [Prediction(self.declared.outputs, [answer[name] for name in names]) for answer in answers]
        return found[0] if len(found) == 1 else Prediction.join(found)

    def _compiled_with(self, streams: int) -> "_Compiled":
        """The network compiled for this many streams, which share the threads; on first use."""
        with self._opening:
            if streams not in self._compiled:
                self._compiled[streams] = self._compile(streams)
            return self._compiled[streams]

    def _compile(self, streams: int) -> "_Compiled":
        precision = EXECUTIONS[self.execution].precision
        options = {
            # By default it would be bf16 where the processor has instructions for it.
            "INFERENCE_PRECISION_HINT": _TYPES[precision],
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": self._threads,
            # The number of threads counts hyper-threads, and other processes compute on the same cores.
            "ENABLE_HYPER_THREADING": True,
            "ENABLE_CPU_PINNING": False,
        }
        core = openvino_core()
        if precision == "bf16" and "BF16" not in core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES"):
            raise DeviceError(
                f"this processor has no instructions for bf16 ({self.processor}), which need AVX512-BF16 or AMX; use "
                "fp32 or int8"
            )
        try:
            return _Compiled(core.compile_model(core.read_model(self._file), _DEVICE, options))
        except Exception as error:  # OpenVINO's errors have no common base of their own
            raise PackageError(f"OpenVINO cannot open {self._file}: {error}") from None


class _SharedCore:
    """OpenVINO's `Core`, one for all predictors of this process and never freed.

    On Linux each core that compiles gives its thread a stack for signals and, when freed, restores the one before. If
    a core is not freed last, the restored one is memory that was freed, which the next signal overwrites. In a forked
    process the library would wait for threads that it kept for later, and which are not there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._core: Any = None
        self._forked = False
        notify_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._forked = self._core is not None

    def core(self) -> Any:
        """The core of this process, created on first use.

        Raises:
            DeviceError: this process was forked from one that had a core.
        """
        if self._forked:
            raise DeviceError(
                "OpenVINO does not compute in a process that was forked from one where it had computed; start the "
                "process with the method `spawn`, or compute with ONNX Runtime"
            )
        with self._lock:
            if self._core is None:
                self._core = import_openvino().Core()
                leak_after_fork(self._core)
            return self._core


_shared = _SharedCore()


class _Compiled:
    """A compiled network with its inference requests, which any thread may take."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._free: deque[Any] = deque()
        leak_after_fork(model)

    def run(self, parts: list[Pixels], most: int) -> list[dict[str, Any]]:
        """Arrays by name of output for each part, of which at most this many are in work at once."""
        running: deque[Any] = deque()
        answers = []
        try:
            for part in parts:
                if len(running) == most:
                    answers.append(self._collect(running))
                request = self._take()
                request.start_async([part], share_inputs=True)
                running.append(request)
            while running:
                answers.append(self._collect(running))
        finally:
            for request in running:  # after an error: requests read the pixels until they end
                request.cancel()
                request.wait()
        return answers

    def _take(self) -> Any:
        try:
            return self._free.pop()
        except IndexError:
            request = self._model.create_infer_request()
            leak_after_fork(request)
            return request

    def _collect(self, running: deque[Any]) -> dict[str, Any]:
        """Wait for the first request and copy its outputs, which its next run overwrites."""
        request = running.popleft()
        request.wait()
        answer = {
            output.get_any_name(): request.get_output_tensor(index).data.copy()
            for index, output in enumerate(self._model.outputs)
        }
        self._free.append(request)
        return answer


def openvino_version(execution: Execution) -> str:
    """Installed version of OpenVINO, if it computes; otherwise empty."""
    return version("openvino") if EXECUTIONS[execution].engine == "openvino" else ""


def openvino_core() -> Any:
    """OpenVINO's `Core`, one for everything that this process computes with it; see `_SharedCore`."""
    return _shared.core()


def import_openvino() -> Any:
    """The module `openvino`, without its telemetry, which reports each import to Intel.

    Raises:
        MissingDependencyError: it is not installed.
    """
    with importing("openvino"), _without("openvino_telemetry"):
        import openvino
    return openvino


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Context in which a module that was not imported before seems not to be installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # as documented for the import system
    try:
        yield
    finally:
        del sys.modules[module]
