"""The folder of a run: names of its files, and the checkpoint from which an interrupted run resumes."""

import io
from collections.abc import Iterable
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
REPORT_FOLDER = "report"
"""Folder of the report on the trained model."""


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
    state = _read(file)
    if state is not None:
        _require_same(file, state["identity"], identity, state["identity"].keys() | identity.keys())
    return state


def require_own_checkpoint(file: Path, settings: dict[str, Any]) -> None:
    """Refuse a checkpoint of a run with other settings, which are part of its identity.

    Raises:
        CheckpointError: as for `load_checkpoint`.
    """
    if (state := _read(file)) is not None:
        _require_same(file, state["identity"], settings, settings.keys())


def _read(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        dict(state["identity"])
    except Exception as error:
        raise CheckpointError(f"{file} is not a checkpoint; --restart deletes it and starts again") from error
    return state


def _require_same(file: Path, saved: dict[str, Any], now: dict[str, Any], keys: Iterable[str]) -> None:
    differing = [
        f"{key}: {saved.get(key)} in the checkpoint, {now.get(key)} now"
        for key in sorted(keys)
        if saved.get(key) != now.get(key)
    ]
    if differing:
        raise CheckpointError(
            f"{file} belongs to another run ({', '.join(differing)}); choose another name or --run-folder, or start "
            "again with --restart, which deletes the checkpoint"
        )
