"""Where to compute, and why there."""

import torch

from zoo.errors import InputError

DEVICES = ("cpu", "cuda", "mps")


def choose_device(name: str) -> tuple[torch.device, str]:
    """The device called `name`, `auto` for the best there is, with the reason as text.

    Raises:
        InputError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda"), f"{torch.cuda.get_device_name()} is here"
        return torch.device("cpu"), f"no GPU that PyTorch can use is here; {torch.get_num_threads()} threads"
    try:
        device = torch.device(name)
        if device.type not in DEVICES:
            raise RuntimeError(f"it is none of {', '.join(DEVICES)}")
        if (
            device != torch.device("cuda") or not torch.cuda.is_available()
        ):  # else each process would claim memory of GPU 0
            torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}; choose cpu or auto") from None
    return device, "as asked"
