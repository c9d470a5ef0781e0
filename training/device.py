"""Choice of the device to compute on, and its name in records."""

import platform

import torch

from zoo.errors import InputError

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


def device_name(device: torch.device) -> str:
    """Name of a device in the records of runs, by which those of the same device are found."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {platform.machine()}"
