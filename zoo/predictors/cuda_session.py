"""ONNX Runtime on CUDA: whether it can be used here, and the sessions that it opens."""

import ctypes
import io
import logging
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from zoo.errors import DeviceError
from zoo.nvidia import gpu_problem, nvidia_driver
from zoo.predictors.cuda_thread import cuda_thread
from zoo.predictors.forks import leak_after_fork
from zoo.predictors.onnx_session import import_onnxruntime, session_options
from zoo.runtime import ChosenDevice, Device, Precision

CUDA = "CUDAExecutionProvider"

_ERROR, _FATAL = 3, 4
"""ONNX Runtime's severities of logged messages."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CudaOptions:
    """Settings of a session on CUDA."""

    memory_limit: int = 0
    """Maximum bytes of the GPU's memory for weights and features; 0 for no limit."""
    tf32: bool = False
    """Whether products in fp32 may round their factors to 10 bits, which is faster."""
    nhwc: bool = False
    """Whether convolutions compute with channels last."""

    def provider(self, precision: Precision, graphs: bool) -> dict[str, str]:
        """Options of ONNX Runtime's provider for a file with this precision."""
        return {
            # Without TF32, convolutions in fp16 would not use tensor cores either.
            "use_tf32": str(int(self.tf32 or precision != "fp32")),
            "prefer_nhwc": str(int(self.nhwc)),
            "enable_cuda_graph": str(int(graphs)),
            # By default, it allocates up to twice as much as it needs.
            "arena_extend_strategy": "kSameAsRequested",
        } | ({"gpu_mem_limit": str(self.memory_limit)} if self.memory_limit else {})


def choose_device(device: Device) -> ChosenDevice:
    """Device to compute on: for `auto`, CUDA if it can be used, otherwise the CPU, with the reason in the log.

    Raises:
        DeviceError: CUDA was requested and cannot be used; says why.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    if device == "cpu" or (device == "auto" and not nvidia_driver()):
        return "cpu"
    problem = "CUDA was started before this process was forked" if cuda_thread.lost else _cuda_problem()
    if not problem:
        return "cuda"
    if device == "auto":
        _log_once(f"computing on the CPU, since {problem}")
        return "cpu"
    raise DeviceError(
        f"CUDA was requested, but {problem}; run on a host with an NVIDIA GPU (docker run --gpus all), "
        "install template-zoo[cuda], or use the CPU"
    )


def expected_device(device: Device) -> ChosenDevice:
    """Device that `choose_device` will probably choose, for a process that does not compute: CUDA is not started."""
    if device == "auto":
        return "cuda" if nvidia_driver() and not _driver_problem() else "cpu"
    return device


def open_on_cuda(file: Path, precision: Precision, options: CudaOptions, graphs: bool) -> tuple[Any, bool]:
    """Open an `onnxruntime.InferenceSession` on CUDA; only in the CUDA thread.

    Arguments:
        file: the ONNX file.
        precision: its precision.
        options: settings.
        graphs: whether to capture graphs, if the file allows it.

    Returns:
        The session, and whether it captures graphs.

    Raises:
        DeviceError: it cannot be opened.
    """
    try:
        if not graphs:
            return _open(file, options.provider(precision, graphs=False)), False
        try:
            return _open(file, options.provider(precision, graphs=True)), True
        except Exception as refusal:
            # A graph is refused if CUDA lacks an operation; any other problem shows up again without it.
            session = _open(file, options.provider(precision, graphs=False))
            _log.warning("%s: computed without captured graphs, which is slower: %s", file, _reason(refusal))
            return session, False
    except Exception as error:  # ONNX Runtime's errors have no common base of their own
        raise DeviceError(
            f"{file} cannot be opened on CUDA: {_reason(error)}; free memory of the GPU, or use the CPU"
        ) from None


def _driver_problem() -> str:
    """Reason why this ONNX Runtime cannot use the machine's driver, empty if it can; nothing is started on the GPU."""
    ort = import_onnxruntime()
    if CUDA not in (available := ort.get_available_providers()):
        return f"this ONNX Runtime was built without CUDA (available: {', '.join(available)}); install onnxruntime-gpu"
    return gpu_problem(getattr(ort, "cuda_version", "") or "12")


@cache
def _cuda_problem() -> str:
    return _driver_problem() or cuda_thread.run(_start_cuda)


@cache
def _log_once(message: str) -> None:
    _log.warning(message)


def _start_cuda() -> str:
    """Start CUDA with a session of a tiny model, whose libraries and memory then belong to no model.

    Returns:
        The reason why it does not start, as the end of a sentence; empty if it does.
    """
    from onnxruntime.datasets import get_example

    ort = import_onnxruntime()
    printed = io.StringIO()
    # The reason for a failure is returned, and needs no messages on standard error.
    ort.set_default_logger_severity(_FATAL)
    try:
        # CUDA and cuDNN may be in Python packages, which the dynamic loader does not search by itself. What cannot be
        # loaded is printed on standard output, which may be a command's result.
        with redirect_stdout(printed):
            ort.preload_dlls()
        _open(Path(get_example("sigmoid.onnx")), CudaOptions().provider("fp32", graphs=False))
    except Exception as error:
        reasons = _provider_problem(ort) or "; ".join([_reason(error), *printed.getvalue().splitlines()])
        return f"ONNX Runtime cannot start CUDA: {reasons}"
    finally:
        ort.set_default_logger_severity(_ERROR)
    return ""


def _provider_problem(ort: Any) -> str:
    """Reason why the library of ONNX Runtime's CUDA provider cannot be loaded, which no exception has; or empty."""
    try:
        ctypes.CDLL(str(Path(ort.__file__).with_name("capi") / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        return str(error)
    return ""


def _open(file: Path, provider: dict[str, str]) -> Any:
    ort = import_onnxruntime()
    # Settings tuned on a CPU do not apply to a GPU.
    options = session_options(ort)
    options.log_severity_level = _ERROR
    # With its fallback, it would print errors on standard output and compute on the CPU.
    session = ort.InferenceSession(
        file, options, providers=[(CUDA, provider), "CPUExecutionProvider"], enable_fallback=0
    )
    leak_after_fork(session)
    if session.get_providers()[0] != CUDA:
        raise DeviceError("its provider does not load")
    return session


def _reason(error: Exception) -> str:
    """What CUDA says, without the places in ONNX Runtime's source code; for another error, its first line."""
    text = str(error).strip()
    said = re.search(r"\w+ failure \d+: [^;\n]+", text)
    return said[0].strip() if said else text.partition("\n")[0]
