"""Memory of the models that are loaded: the GPU's on CUDA, otherwise this process's."""

import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serve.shared import METRICS_FOLDER
from zoo.nvidia import total_gpu_memory, used_gpu_memory
from zoo.predictors.cuda_thread import cuda_thread
from zoo.runtime import ChosenDevice


def used_bytes(device: ChosenDevice) -> int:
    """Memory in use: of the GPU, by all programs, or resident memory of this process, 0 if unknown."""
    if device == "cuda":
        return cuda_thread.run(used_gpu_memory)
    try:
        resident = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(resident) * resource.getpagesize()


def cuda_memory_limit(model_memory_mb: float, processes: int) -> int:
    """Maximum bytes of the GPU's memory for one model; 0 for no limit.

    Arguments:
        model_memory_mb: memory for all models of this process, in MB; 0 for its part of the GPU's memory.
        processes: number of processes of the server.
    """
    if model_memory_mb:
        return int(model_memory_mb * 1e6)
    return total_gpu_memory() // processes if processes > 1 else 0


@contextmanager
def loading_alone(device: ChosenDevice) -> Iterator[None]:
    """Context in which no other process of the server loads a model on the GPU, whose memory would be counted here."""
    folder = os.environ.get(METRICS_FOLDER)
    if device == "cpu" or folder is None:
        yield
        return
    with (Path(folder) / "loading.lock").open("w") as file:
        # The system releases it if this process dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
