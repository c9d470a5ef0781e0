"""ONNX Runtime sessions, on CUDA or the CPU, and the declarations in their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import InputError, PackageError, ZooError
from zoo.extras import importing
from zoo.machine import nvidia_driver
from zoo.outputs import PATCH_LOGITS, Output, check_outputs, check_shape
from zoo.package import ModelConfig
from zoo.package.onnx_metadata import config_from_metadata, outputs_from_metadata, precision_from_metadata
from zoo.predictors.forks import leak_after_fork
from zoo.runtime import Device, Precision, Runtime

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_EXACT = {"use_tf32": "0"}
"""Disables TF32, which rounds the factors of products in fp32 to 10 bits; fp16 is there for lower precision."""
_CAPTURED = {"enable_cuda_graph": "1"}
"""Captures graphs, which replay a run without launching each operation; see `zoo.predictors.cuda_graph`."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """Declarations in an ONNX file's metadata."""

    config: ModelConfig
    precision: Precision
    outputs: tuple[Output, ...]
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of each output for one image."""


class DeviceError(ZooError):
    """A requested device is not available."""


def open_session(file: Path, device: Device, threads: int, runtime: Runtime) -> Any:
    """Open an `onnxruntime.InferenceSession`; its threads belong to this process, so a forked one must open its own.

    Arguments:
        file: the ONNX file.
        device: `cuda` fails if it is not available; `auto` uses CUDA if it works, otherwise the CPU.
        threads: number of threads that share an operation on the CPU.
        runtime: settings on the CPU.

    Raises:
        PackageError: ONNX Runtime cannot open the file.
        DeviceError: CUDA was requested and cannot be used.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    ort = _onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = runtime.arena
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{runtime.optimization.upper()}")
    if not runtime.spin:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = _open(ort, file, options, device)
    except DeviceError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no common base of their own
        raise PackageError(f"ONNX Runtime cannot open {file}: {error}") from None
    leak_after_fork(session)
    return session


def declared_by(session: Any, file: Path) -> OnnxFile:
    """Declarations in the file of a session.

    Raises:
        PackageError: the file lacks a model's metadata, or does not declare its outputs.
    """
    metadata, where = session.get_modelmeta().custom_metadata_map, str(file)
    found = {output.name: output for output in session.get_outputs()}
    shapes = {name: tuple(output.shape[1:]) for name, output in found.items()}
    config = config_from_metadata(metadata, where)
    outputs = outputs_from_metadata(metadata, list(found), where)
    try:
        check_outputs(outputs)
        for output in outputs:
            integer = found[output.name].type == "tensor(int64)"
            check_shape(output, shapes[output.name], integer, config.classes, shapes[PATCH_LOGITS.name][1:])
    except (InputError, ValueError) as error:
        raise PackageError(f"{where}: {error}; export it again") from None
    return OnnxFile(config, precision_from_metadata(metadata, where), outputs, shapes)


def read_declarations(file: Path) -> OnnxFile:
    """Declarations in an ONNX file, opened as cheaply as ONNX Runtime can.

    Raises:
        PackageError: as `open_session` and `declared_by`.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    return declared_by(open_session(file, "cpu", 1, Runtime(optimization="basic", arena=False)), file)


def on_cuda(session: Any) -> bool:
    """Whether a session computes on a GPU."""
    return _CUDA in session.get_providers()


def _open(ort: Any, file: Path, options: Any, device: Device) -> Any:
    if device == "cpu" or (device == "auto" and not nvidia_driver()):
        return ort.InferenceSession(file, options, providers=[_CPU])
    if _CUDA not in ort.get_available_providers():
        if device == "auto":
            return ort.InferenceSession(file, options, providers=[_CPU])
        raise DeviceError(
            f"CUDA was requested, but this ONNX Runtime was built without it (available: "
            f"{', '.join(ort.get_available_providers())}); install onnxruntime-gpu, or use the CPU"
        )
    # CUDA and cuDNN may be in Python packages, which the dynamic loader does not search by itself.
    ort.preload_dlls()
    # Settings tuned on a CPU do not apply to a GPU.
    own = ort.SessionOptions()
    own.log_severity_level = options.log_severity_level
    try:
        session = ort.InferenceSession(file, own, providers=[(_CUDA, _EXACT | _CAPTURED), _CPU])
    except Exception:
        # Capturing a graph fails if CUDA lacks an operation; any other problem shows up again without it.
        session = ort.InferenceSession(file, own, providers=[(_CUDA, _EXACT), _CPU])
    # ONNX Runtime silently falls back to the CPU if CUDA does not load.
    if device == "cuda" and not on_cuda(session):
        why = "its libraries did not load" if nvidia_driver() else "this machine has no NVIDIA driver"
        raise DeviceError(
            f"CUDA was requested, but {why}; run on a host with an NVIDIA GPU (docker run --gpus all), "
            "install template-zoo[cuda], or use the CPU"
        )
    return session


def _onnxruntime() -> Any:
    with importing("onnx"):
        import onnxruntime
    return onnxruntime
