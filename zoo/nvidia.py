"""NVIDIA's driver, asked through its own library: whether there is a GPU, its name and its memory.

It needs no CUDA library and no package. Only the first of the GPUs that `CUDA_VISIBLE_DEVICES` leaves visible is used.
"""

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from zoo.errors import DeviceError

_FILES = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
"""Files of which a machine with a driver has one: any Linux, one in a sandbox such as gVisor, and one under Windows."""

_VISIBLE = "CUDA_VISIBLE_DEVICES"

_LEAST_DRIVER = {12: "525", 13: "580"}
"""First version of the driver by the major version of CUDA."""


def nvidia_driver() -> bool:
    """Whether an NVIDIA driver is present, with or without a GPU that can be used."""
    return any(Path(name).exists() for name in _FILES) or not (isinstance(_library(), OSError) or _status())


def gpu_problem(cuda: str) -> str:
    """Reason why no GPU can be used, as the end of a sentence; empty if one can be.

    Arguments:
        cuda: version of CUDA that is required, such as `13.0`.
    """
    if not nvidia_driver():
        return "this machine has no NVIDIA driver"
    library = _library()
    if isinstance(library, OSError):
        return f"the NVIDIA driver's library cannot be loaded ({library})"
    if status := _status():
        if _VISIBLE in os.environ:
            return f"no GPU is visible to CUDA with {_VISIBLE}={os.environ[_VISIBLE]!r} ({_explain(status)})"
        return f"the NVIDIA driver does not start ({_explain(status)})"
    version = ctypes.c_int()
    _call("cuDriverGetVersion", ctypes.byref(version))
    supported, required = version.value // 1000, int(cuda.partition(".")[0])
    if supported < required:
        least = _LEAST_DRIVER.get(required, "that supports it")
        return (
            f"the NVIDIA driver supports CUDA up to {supported}.{version.value % 1000 // 10}, but ONNX Runtime was "
            f"built for CUDA {required}, which needs driver {least} or newer"
        )
    return ""


def gpu_name() -> str:
    """Name of the GPU.

    Raises:
        DeviceError: there is none.
    """
    name = ctypes.create_string_buffer(100)
    _call("cuDeviceGetName", name, len(name), _gpu())
    return name.value.decode(errors="replace")


def total_gpu_memory() -> int:
    """Memory of the GPU in bytes.

    Raises:
        DeviceError: there is none.
    """
    total = ctypes.c_size_t()
    _call("cuDeviceTotalMem_v2", ctypes.byref(total), _gpu())
    return total.value


def used_gpu_memory() -> int:
    """Memory of the GPU, in bytes, that all programs use; only in a thread that has already computed on it.

    Raises:
        DeviceError: this thread has not.
    """
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return total.value - free.value


def _gpu() -> ctypes.c_int:
    device = ctypes.c_int()
    _call("cuDeviceGet", ctypes.byref(device), 0)
    return device


def _call(name: str, *arguments: Any) -> None:
    library = _library()
    if isinstance(library, OSError):
        raise DeviceError(f"the NVIDIA driver's library cannot be loaded ({library})")
    if status := _status() or getattr(library, name)(*arguments):
        raise DeviceError(f"the NVIDIA driver's {name} failed ({_explain(status)})")


@cache
def _library() -> Any:
    """The driver's library, or the error that prevents loading it."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return error


@cache
def _status() -> int:
    """Status of the driver's initialisation, 0 for success."""
    return int(_library().cuInit(0))


def _explain(status: int) -> str:
    text = ctypes.c_char_p()
    _library().cuGetErrorString(status, ctypes.byref(text))
    return f"error {status}" + (f", {text.value.decode(errors='replace')}" if text.value else "")
