"""The folder of a run: names of its files, and the checkpoint from which an interrupted run resumes."""

import io
from pathlib import Path
from typing import Any

import torch

from zoo.errors import ZooError
from zoo.files import write_atomically

CHECKPOINT_FILE = "checkpoint.pt"
LOG_FILE = "log.jsonl"
UNREADABLE_FILE = "unreadable.txt"
"""List of unreadable image files, with the reason for each."""
MODEL_FOLDER = "model"
"""Default model directory."""


class CheckpointError(ZooError):
    """A checkpoint that belongs to another run or cannot be read."""


def save_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain values atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(file, buffer.getvalue())


def load_checkpoint(file: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Saved state, or None if there is none.

    Arguments:
        file: where `save_checkpoint` wrote it.
        identity: identity of the run; must equal the one saved under the key `identity`.

    Raises:
        CheckpointError: the file is not a checkpoint, or was saved by a run with another identity.
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
            f"{key}: {saved.get(key)} in the checkpoint, {identity.get(key)} now"
            for key in sorted(saved.keys() | identity.keys())
            if saved.get(key) != identity.get(key)
        )
        raise CheckpointError(f"{file} belongs to another run ({differing}); choose another run folder or delete it")
    return state
