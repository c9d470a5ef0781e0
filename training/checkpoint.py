"""The folder of a run: what its files are called, and the checkpoint from which a killed run resumes."""

import io
from pathlib import Path
from typing import Any

import torch

from zoo.errors import ZooError
from zoo.files import write_atomically

CHECKPOINT_FILE = "checkpoint.pt"
LOG_FILE = "log.jsonl"
UNREADABLE_FILE = "unreadable.txt"
"""Image files that cannot be read, and why."""
MODEL_FOLDER = "model"
"""The model directory, unless another is chosen."""


class CheckpointError(ZooError):
    """A checkpoint that belongs to another run or cannot be read."""


def save_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain values, all or nothing."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(file, buffer.getvalue())


def load_checkpoint(file: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The saved state, or None when there is none.

    Arguments:
        file: where `save_checkpoint` wrote it.
        identity: what the run is; the state must have been saved with the same under the key `identity`.

    Raises:
        CheckpointError: the file is not a checkpoint, or was saved by a run of another identity.
    """
    if not file.exists():
        return None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        saved = state["identity"]
    except Exception as error:
        raise CheckpointError(f"{file} is not a checkpoint; delete it to start again") from error
    if saved != identity:
        differing = ", ".join(
            f"{key}: {saved.get(key)} there, {identity.get(key)} now"
            for key in sorted(saved.keys() | identity.keys())
            if saved.get(key) != identity.get(key)
        )
        raise CheckpointError(f"{file} belongs to another run ({differing}); choose another run folder or delete it")
    return state
