"""OpenVINO as a predictor on the CPU, where its package is installed."""

import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
_TELEMETRY = "openvino_telemetry"
_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes for which the network is compiled."""
_PIECES = (8, 4, 2, 1)
"""Batch sizes of a single thread: larger ones are hardly faster."""
_TYPES = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""OpenVINO's names of the precisions of computing, for what is not quantised in the file."""

_Arrays = dict[str, NDArray[np.float32]]


class OpenVinoPredictor(FilePredictor):
    """Predictor for an ONNX file with OpenVINO, which does not compute in processes forked from one where it did.

    A batch is divided as with ONNX Runtime: parts are inference requests, which as many streams compute concurrently.
    The network is compiled for parts of 1, 2, 4, ... images, which saves up to a quarter of the time, and for others
    once for all sizes, since compiling takes as long as hundreds of images.

    On a single thread, that of the caller computes, one piece of such a size after the other: a stream has a thread of
    its own, which would have to be woken. Only if another caller computes so, a stream does.

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
        self._network(1, 1, threads)

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
        self._networks: dict[tuple[int, int, int], _Network] = {}
        self._calling = threading.Lock()

    def warm_up(self, count: int) -> None:
        super().warm_up(count)
        for size in _PIECES:
            if size <= count:
                self._network(1, size, 1)

    def _warm_up_sizes(self, count: int) -> tuple[int, ...]:
        return *(size for size in _SIZES if size < count), count

    def _compute(self, pixels: Pixels, threads: int) -> Prediction:
        shapes = self.declared.shapes
        outputs = {name: np.empty((len(pixels), *shape), np.float32) for name, shape in shapes.items()}
        if threads == 1 and self._calling.acquire(blocking=False):
            try:
                self._compute_pieces(pixels, outputs)
            finally:
                self._calling.release()
        else:
            self._compute_parts(pixels, threads, outputs)
        return Prediction(self.declared.outputs, [outputs[output.name] for output in self.declared.outputs])

    def _compute_pieces(self, pixels: Pixels, outputs: _Arrays) -> None:
        """Compute a batch on the caller's thread."""
        start = 0
        while start < len(pixels):
            size = next(size for size in _PIECES if size <= len(pixels) - start)
            self._network(1, size, 1).compute([pixels[start : start + size]], 1, outputs, start)
            start += size

    def _compute_parts(self, pixels: Pixels, threads: int, outputs: _Arrays) -> None:
        all_threads = threads >= self._threads
        parts, streams = self._divide(pixels, threads)
        # Parts of two sizes are not computed by two networks, whose threads would compete.
        sizes = {len(part) for part in parts}
        size = sizes.pop() if len(sizes) == 1 else 0
        size = size if size in _SIZES else 0
        network = self._network(streams if all_threads else self._threads, size, self._threads)
        # With all threads, a request waits behind each one that is computed, so that no stream waits for Python.
        # Otherwise as many requests are computed as there are threads for them, one each.
        network.compute(parts, 2 * streams if all_threads else streams, outputs)

    def _network(self, streams: int, size: int, threads: int) -> "_Network":
        """The network compiled for a batch size, 0 for any, and this many streams, which share the threads; on first
        use."""
        key = streams, size, threads
        with self._opening:
            if key not in self._networks:
                self._networks[key] = self._compile(*key)
            return self._networks[key]

    def _compile(self, streams: int, size: int, threads: int) -> "_Network":
        precision = EXECUTIONS[self.execution].precision
        options = {
            # By default it would be bf16 where the processor has instructions for it.
            "INFERENCE_PRECISION_HINT": _TYPES[precision],
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
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
            model = core.read_model(self._file)
            if size:
                model.reshape([size, 3, self.config.input_size, self.config.input_size])
            return _Network(core.compile_model(model, _DEVICE, options), size)
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


class _Network:
    """A compiled network with its inference requests, which any thread may take.

    Arguments:
        model: the compiled model.
        size: its batch size; 0 for any.
    """

    def __init__(self, model: Any, size: int) -> None:
        self._model, self._size = model, size
        self._names = [output.get_any_name() for output in model.outputs]
        self._free: deque[_Request] = deque()
        leak_after_fork(model)

    def compute(self, parts: list[Pixels], most: int, outputs: _Arrays, start: int = 0) -> None:
        """Compute parts of a batch.

        Arguments:
            parts: the images.
            most: number of parts in work at once.
            outputs: arrays for the outputs of the batch, by name, which are filled from image `start` on.
            start: index of the first image in the batch.
        """
        if len(parts) == 1:  # in this thread, as handing it over takes a twentieth of the time of one image
            request = self._take()
            self._keep(request, request.compute(parts[0]), outputs, start)
            return
        running: deque[_Request] = deque()
        read = start
        try:
            for part in parts:
                if len(running) == most:
                    read = self._read(running, outputs, read)
                request = self._take()
                request.start(part)
                running.append(request)
            while running:
                read = self._read(running, outputs, read)
        finally:
            for request in running:  # after an error: requests read the pixels until they end
                request.cancel()

    def _take(self) -> "_Request":
        try:
            return self._free.pop()
        except IndexError:
            return _Request(self._model, self._size)

    def _read(self, running: "deque[_Request]", outputs: _Arrays, start: int) -> int:
        """Wait for the first request; the rest as for `_keep`."""
        request = running.popleft()
        return self._keep(request, request.wait(), outputs, start)

    def _keep(self, request: "_Request", found: list[NDArray[np.float32]], outputs: _Arrays, start: int) -> int:
        """Copy what a request found, from image `start` on; returns the index of the image after its last."""
        stop = start + len(found[0])
        for name, array in zip(self._names, found, strict=True):
            outputs[name][start:stop] = array
        self._free.append(request)
        return stop


class _Request:
    """An inference request. With a fixed batch size it has its own input and outputs, which saves as much as a tenth of
    the time of one image.

    Arguments:
        model: the compiled model.
        size: its batch size; 0 for any.
    """

    def __init__(self, model: Any, size: int) -> None:
        self._request = model.create_infer_request()
        leak_after_fork(self._request)
        self._pixels = self._request.input_tensors[0].data if size else None
        self._outputs = self._read() if size else None

    def compute(self, pixels: Pixels) -> list[NDArray[np.float32]]:
        """The outputs, which the next run overwrites."""
        self._request.infer(self._inputs(pixels), share_inputs=True, share_outputs=True)
        return self._read() if self._outputs is None else self._outputs

    def start(self, pixels: Pixels) -> None:
        """Start to compute in other threads."""
        self._request.start_async(self._inputs(pixels), share_inputs=True)

    def wait(self) -> list[NDArray[np.float32]]:
        """Wait for the outputs, which the next run overwrites."""
        self._request.wait()
        return self._read() if self._outputs is None else self._outputs

    def cancel(self) -> None:
        """Stop computing."""
        self._request.cancel()
        self._request.wait()

    def _inputs(self, pixels: Pixels) -> list[Pixels] | None:
        """The inputs to pass; None after they were copied into the request's own."""
        if self._pixels is None:
            return [pixels]
        self._pixels[:] = pixels
        return None

    def _read(self) -> list[NDArray[np.float32]]:
        return [tensor.data for tensor in self._request.output_tensors]


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
    with importing("openvino"), without_telemetry():
        import openvino
    return openvino


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Context in which OpenVINO's telemetry seems not to be installed, unless it was imported before."""
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # as documented for the import system
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
