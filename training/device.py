"""Choice of the device to compute on, and its name in records."""

import platform

import torch

from training.recipe import TrainingPrecision
from zoo.errors import InputError
from zoo.machine import instructions

_BF16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instruction sets of x86 and Arm that compute in bf16."""

DEVICES = ("cpu", "cuda", "mps")


def choose_device(name: str) -> tuple[torch.device, str]:
    """Choose a device by name, with the reason as text; `auto` selects CUDA if available, otherwise the CPU.

    Raises:
        InputError: the device is not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda"), f"{torch.cuda.get_device_name()} is available"
        return torch.device("cpu"), f"PyTorch finds no GPU; {torch.get_num_threads()} threads"
    try:
        device = torch.device(name)
        if device.type not in DEVICES:
            raise RuntimeError(f"must be one of {', '.join(DEVICES)}")
        if (
            device != torch.device("cuda") or not torch.cuda.is_available()
        ):  # otherwise each process would allocate memory on GPU 0
            torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}; choose cpu or auto") from None
    return device, "as requested"


def choose_precision(precision: TrainingPrecision, device: torch.device) -> tuple[TrainingPrecision, str]:
    """Precision to train in on a device, with the reason as text; `auto` selects bf16 if the device computes in it."""
    if precision != "auto":
        return precision, "as requested"
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and bool(instructions() & _BF16_INSTRUCTIONS)
    return ("bf16", "the device has bf16 instructions") if native else ("fp32", "the device has no bf16 instructions")


def device_name(device: torch.device) -> str:
    """Name of a device in the records of runs, by which those of the same device are found."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {platform.machine()}"
