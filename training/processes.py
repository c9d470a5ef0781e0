"""Processes that train together: a single one, or those started by `torchrun` on one or more machines."""

import logging
import os

import torch
from lightning_fabric import Fabric

from training.device import choose_device
from zoo.errors import InputError


def join_processes(device: str) -> tuple[Fabric, str]:
    """Join the processes that train together; also returns the reason for the device as text.

    Arguments:
        device: as for `choose_device`; processes started together use one GPU each.

    Raises:
        InputError: the device is not available, or several processes would share a numbered one.
    """
    chosen, why = choose_device(device)
    together, here = int(os.environ.get("WORLD_SIZE", 1)), processes_here()
    if together > 1 and chosen.index is not None:
        raise InputError(
            f"device {device!r}: {together} processes cannot share it; give {chosen.type} without a number"
        )
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it would repeat what the command line prints
    if chosen.type == "cuda":
        if here > torch.cuda.device_count():
            raise InputError(f"{here} processes on {torch.cuda.device_count()} GPUs: start one per GPU")
        torch.set_float32_matmul_precision("high")
    one_device = 1 if chosen.index is None or chosen.type == "cpu" else [chosen.index]
    fabric = Fabric(
        accelerator=chosen.type,
        devices=here if together > 1 else one_device,
        num_nodes=together // here,
        strategy="ddp" if together > 1 else "auto",
    )
    fabric.launch()
    if together > 1:
        why += f"; {together} processes, {here} on this machine"
    return fabric, why


def processes_here() -> int:
    """Number of processes that train together on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def is_first_process() -> bool:
    """Whether this is the first of the processes that train together, which prints and writes."""
    return int(os.environ.get("RANK", 0)) == 0


def largest_in_any(fabric: Fabric, value: float) -> float:
    """Maximum of a value over the processes."""
    if fabric.world_size == 1:
        return value
    reduced = fabric.all_reduce(torch.tensor(value, device=fabric.device), reduce_op="max")
    return float(reduced)  # type: ignore[arg-type]
