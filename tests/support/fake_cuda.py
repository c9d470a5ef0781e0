"""A GPU that does not exist: ONNX Runtime computes on the CPU, behind an interface that behaves as on CUDA.

It records each call with its thread, and has CUDA's rules: a graph belongs to the thread that captured it, reads and
writes the addresses that it was captured with, and what is read is a copy.
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import onnxruntime.datasets
import pytest

from zoo import nvidia
from zoo.predictors import cuda_session

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
GB = 2**30
SESSION_BYTES = 100_000_000
"""Memory that a session takes."""


class Call(NamedTuple):
    """A call of ONNX Runtime."""

    what: str
    thread: str
    detail: Any = None


class FakeDriver:
    """NVIDIA's library: an own Python function for each of its functions that are used."""

    def __init__(self, gpu: "FakeCuda") -> None:
        self.gpu = gpu
        self.status = 0
        self.version = 13_000

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.status

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self.version
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:  # noqa: N802
        name.value = b"NVIDIA Fake 100"
        return 0

    def cuDeviceTotalMem_v2(self, total: Any, device: Any) -> int:  # noqa: N802
        total._obj.value = 8 * GB
        return 0

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:  # noqa: N802
        self.gpu.record("memory")
        free._obj.value, total._obj.value = 8 * GB - self.gpu.used, 8 * GB
        return 0

    def cuGetErrorString(self, status: int, text: Any) -> int:  # noqa: N802
        text._obj.value = {35: b"insufficient driver", 100: b"no CUDA-capable device is detected"}.get(status)
        return 0


class FakeCuda:
    """The module `onnxruntime` with a GPU."""

    def __init__(self) -> None:
        self.driver = FakeDriver(self)
        self.calls: list[Call] = []
        self.used = GB
        """Bytes of the GPU's memory in use."""
        self.printed = ""
        """What loading the libraries prints."""
        self.broken = ""
        """Reason why no session opens."""
        self.silent = False
        """Whether sessions open on the CPU instead, without an error."""
        self.refuses_graphs = False
        self.replays_stale = False
        """Whether a graph is spoilt when another one is captured after it."""
        self.cuda_version = "13.0"
        self.OrtValue = _OrtValues(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(onnxruntime, name)

    def record(self, what: str, detail: Any = None) -> None:
        self.calls.append(Call(what, threading.current_thread().name, detail))

    def details(self, what: str) -> list[Any]:
        return [call.detail for call in self.calls if call.what == what]

    @property
    def threads(self) -> set[str]:
        """Threads that called CUDA."""
        return {call.thread for call in self.calls}

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    def preload_dlls(self) -> None:
        print(self.printed, end="")

    def InferenceSession(self, file: Path, options: Any, providers: list[Any], enable_fallback: int) -> Any:  # noqa: N802
        assert not enable_fallback
        if providers == [CPU]:
            return onnxruntime.InferenceSession(file, options, providers)
        [(name, chosen), last] = providers
        assert (name, last) == (CUDA, CPU)
        own = "sigmoid" not in Path(file).name
        self.record("open" if own else "start", chosen)
        if self.broken:
            raise RuntimeError(f"{self.broken}\nand more")
        if self.refuses_graphs and chosen["enable_cuda_graph"] == "1":
            raise RuntimeError("This session cannot use the graph capture feature")
        return _Session(self, onnxruntime.InferenceSession(file, options, [CPU]), chosen)


class _Session:
    def __init__(self, gpu: FakeCuda, real: Any, chosen: dict[str, str]) -> None:
        self._gpu, self._real = gpu, real
        self._captures = chosen["enable_cuda_graph"] == "1"
        self._captured: dict[tuple[str, str], tuple[int, ...]] = {}
        gpu.used += SESSION_BYTES

    def __del__(self) -> None:
        self._gpu.used -= SESSION_BYTES
        self._gpu.record("release")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return [CPU] if self._gpu.silent else [CUDA, CPU]

    def io_binding(self) -> "_Binding":
        self._gpu.record("bind")
        return _Binding(self._real.io_binding())

    def run_with_iobinding(self, binding: "_Binding", options: Any) -> None:
        graph = options.get_run_config_entry("gpu_graph_id")
        size = binding.values[0].shape()[0]
        if self._captures:
            key = (threading.current_thread().name, graph)
            new = key not in self._captured
            self._gpu.record("capture" if new else "replay", size)
            assert self._captured.setdefault(key, binding.addresses) == binding.addresses
            stale = self._gpu.replays_stale and key != list(self._captured)[-1]
        else:
            self._gpu.record("run", size)
            stale = False
        self._real.run_with_iobinding(binding.real, options)
        if stale:
            ctypes.memset(binding.addresses[-1], 0, 64)


class _Binding:
    def __init__(self, real: Any) -> None:
        self.real = real
        self.values: list[_Value] = []
        self.addresses: tuple[int, ...] = ()

    def bind_ortvalue_input(self, name: str, value: "_Value") -> None:
        self.values.append(value)
        self.addresses += (value.data_ptr(),)
        self.real.bind_ortvalue_input(name, value.real)

    def bind_output(self, name: str, device: str, index: int, dtype: Any, shape: list[int], address: int) -> None:
        assert device == "cuda"
        self.addresses += (address,)
        self.real.bind_output(name, "cpu", index, dtype, shape, address)


class _Value:
    def __init__(self, gpu: FakeCuda, real: Any) -> None:
        self._gpu, self.real = gpu, real

    def data_ptr(self) -> int:
        return int(self.real.data_ptr())

    def shape(self) -> list[int]:
        return list(self.real.shape())

    def update_inplace(self, array: np.ndarray) -> None:
        self._gpu.record("upload", len(array))
        self.real.update_inplace(array)

    def numpy(self) -> np.ndarray:
        self._gpu.record("download")
        return self.real.numpy().copy()


class _OrtValues:
    def __init__(self, gpu: FakeCuda) -> None:
        self._gpu = gpu

    def ortvalue_from_numpy(self, array: np.ndarray, device: str, index: int) -> _Value:
        assert device == "cuda"
        self._gpu.record("allocate")
        return _Value(self._gpu, onnxruntime.OrtValue.ortvalue_from_numpy(array.copy(), "cpu", index))

    def ortvalue_from_shape_and_type(self, shape: list[int], dtype: Any, device: str, index: int) -> _Value:
        assert device == "cuda"
        self._gpu.record("allocate")
        return _Value(self._gpu, onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cpu", index))


@contextmanager
def with_fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """Put a GPU into this machine."""
    gpu = FakeCuda()
    _forget()
    monkeypatch.setattr(nvidia, "_FILES", ())
    monkeypatch.setattr(nvidia, "_library", lambda: gpu.driver)
    monkeypatch.setitem(sys.modules, "onnxruntime", gpu)  # type: ignore[arg-type]
    yield gpu
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for found in (nvidia._status, cuda_session._cuda_problem, cuda_session._log_once):
        found.cache_clear()
