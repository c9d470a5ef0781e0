"""Whether this machine has a GPU that the tests marked `cuda` can use."""

from functools import cache
from importlib.util import find_spec

from zoo.nvidia import nvidia_driver


@cache
def has_gpu() -> bool:
    """Whether PyTorch or ONNX Runtime, whichever is installed, can use an NVIDIA GPU here."""
    if not nvidia_driver():
        return False
    if find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return True
    if find_spec("onnxruntime"):
        import onnxruntime

        return "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return False
