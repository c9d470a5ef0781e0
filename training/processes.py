"""The processes that train together: one, or those that `torchrun` started on one machine or several."""

import logging
import os

import torch
from lightning_fabric import Fabric

from training.device import choose_device
from training.recipe import Precision
from zoo.errors import InputError


def join_processes(device: str, precision: Precision) -> tuple[Fabric, str]:
    """This process's place among those that train together, with the reason for its device as text.

    Arguments:
        device: as for `choose_device`; processes started together take one GPU each.
        precision: of the network's computation.

    Raises:
        InputError: there is no such device, or several processes were asked to share a numbered one.
    """
    chosen, why = choose_device(device)
    together, here = int(os.environ.get("WORLD_SIZE", 1)), processes_here()
    if together > 1 and chosen.index is not None:
        raise InputError(f"device {device!r}: {together} processes cannot share one; give {chosen.type} without number")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it would say what the command line says already
    if chosen.type == "cuda":
        if here > torch.cuda.device_count():
            raise InputError(f"{here} processes on this machine, and {torch.cuda.device_count()} GPUs: start one a GPU")
        torch.backends.cudnn.benchmark = True  # the shapes of a run's steps repeat
        torch.set_float32_matmul_precision("high")
    one_device = 1 if chosen.index is None or chosen.type == "cpu" else [chosen.index]
    fabric = Fabric(
        accelerator=chosen.type,
        devices=here if together > 1 else one_device,
        num_nodes=together // here,
        strategy="ddp" if together > 1 else "auto",
        precision="bf16-mixed" if precision == "bf16" else "32-true",
    )
    fabric.launch()
    if together > 1:
        why += f"; {together} processes, {here} on this machine"
    return fabric, why


def processes_here() -> int:
    """How many of the processes that train together share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def largest_in_any(fabric: Fabric, value: float) -> float:
    """The largest of the processes' values."""
    if fabric.world_size == 1:
        return value
    reduced = fabric.all_reduce(torch.tensor(value, device=fabric.device), reduce_op="max")
    return float(reduced)  # type: ignore[arg-type]
