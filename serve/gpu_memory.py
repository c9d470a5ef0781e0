"""Memory of the GPUs, for Prometheus, where NVIDIA's library and its Python module `pynvml` are there."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


def watch_gpu_memory(registry: CollectorRegistry) -> None:
    """Report the memory of every GPU, of all programs that use it, at the time when it is asked for."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver here
        return
    registry.register(_GpuMemory(pynvml))


class _GpuMemory(Collector):
    def __init__(self, pynvml: Any) -> None:
        self._pynvml = pynvml

    def collect(self) -> Iterable[GaugeMetricFamily]:
        used = GaugeMetricFamily("zoo_gpu_memory_used_bytes", "Used by all programs.", labels=["gpu"])
        total = GaugeMetricFamily("zoo_gpu_memory_total_bytes", "Of the GPU.", labels=["gpu"])
        try:
            for index in range(self._pynvml.nvmlDeviceGetCount()):
                memory = self._pynvml.nvmlDeviceGetMemoryInfo(self._pynvml.nvmlDeviceGetHandleByIndex(index))
                used.add_metric([str(index)], memory.used)
                total.add_metric([str(index)], memory.total)
        except self._pynvml.NVMLError:  # a GPU that fails must not hide the other numbers
            pass
        return used, total
