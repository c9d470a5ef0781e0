from pathlib import Path
from typing import Any

import pytest
import torch

from training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

IDENTITY = {"variant": "wrn16", "epochs": 3, "input_sizes": (16, 32)}


def state(**changes: Any) -> dict[str, Any]:
    return {"identity": IDENTITY, "step": 7, "weights": {"a": torch.arange(5.0)}, "history": [{"loss": 0.5}]} | changes


def test_a_state_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run" / "checkpoint.pt", state())
    loaded = load_checkpoint(tmp_path / "run" / "checkpoint.pt", IDENTITY)
    assert torch.equal(loaded["weights"]["a"], torch.arange(5.0))
    assert loaded["step"] == 7
    assert loaded["history"] == [{"loss": 0.5}]


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "checkpoint.pt", IDENTITY) is None


def test_saving_that_fails_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, state())
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(file, state(step=8, broken=lambda: None))
    assert load_checkpoint(file, IDENTITY)["step"] == 7
    assert list(tmp_path.iterdir()) == [file]


def test_what_differs_from_another_run_is_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint.pt", state())
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "checkpoint.pt", IDENTITY | {"epochs": 5, "seed": 1})
    message = str(caught.value)
    assert "belongs to another run (epochs: 3 in the checkpoint, 5 now, seed: None in the checkpoint, 1 now)" in message
    assert "--restart" in message


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_file_that_is_not_a_checkpoint(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is not a checkpoint.*--restart"):
        load_checkpoint(tmp_path / "checkpoint.pt", IDENTITY)


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, state())
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_checkpoint(file, IDENTITY)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint.pt", state(trap=Path("x")))
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_checkpoint(tmp_path / "checkpoint.pt", IDENTITY)
