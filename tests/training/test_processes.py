import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from training.checkpoint import CHECKPOINT_FILE, LOG_FILE, MODEL_FOLDER
from training.processes import join_processes
from zoo.errors import InputError
from zoo.package import WEIGHTS_FILE, Package

ARGUMENTS = (
    "train wrn16-ours --epochs 6 --growth 1 --batch-size 32 --precision fp32 --peak-learning-rate 0.01 --ema-decay 0.9 "
    "--clip-norm 1 --canvas 0.3 --cutmix 0.4 --patch-loss slack --cutout 8 --balance --label-smoothing 0.1 "
    "--flip alternating --limit 90 --hold-out 0.1"
)
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def start(cifar: Path, folder: Path, *launcher: str) -> subprocess.Popen[str]:
    """`zoo train` on some 90 images, in processes of its own."""
    command = [sys.executable, *launcher, "-m", "zoo", *ARGUMENTS.split(), "--data", str(cifar)]
    return subprocess.Popen(
        [*command, "--run-folder", str(folder), "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], folder: Path) -> Package:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert output.count("training images") == 1
    return Package.open(folder / MODEL_FOLDER)


@pytest.mark.slow
@pytest.mark.process
def test_two_processes_that_were_stopped_train_what_one_does(cifar: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of a terminal; the launcher sends it to its processes once more."""
    one = finish(start(cifar, tmp_path / "one"), tmp_path / "one")
    stopped = start(cifar, tmp_path / "two", *TORCHRUN)
    log = tmp_path / "two" / LOG_FILE
    while stopped.poll() is None and not (log.exists() and '"step": 4' in log.read_text()):
        time.sleep(0.02)
    os.killpg(stopped.pid, signal.SIGINT)
    _, errors = stopped.communicate(timeout=100)
    assert "run the same command to resume" in errors
    assert 4 <= torch.load(tmp_path / "two" / CHECKPOINT_FILE, weights_only=True)["step"] < 12
    two = finish(start(cifar, tmp_path / "two", *TORCHRUN), tmp_path / "two")

    assert_close(load_file(two.path / WEIGHTS_FILE), load_file(one.path / WEIGHTS_FILE), rtol=1e-2, atol=1e-3)
    measured, expected = (package.metrics()["held-out"]["torch"] for package in (two, one))
    assert measured["images"] == expected["images"]
    assert measured["images"] % 2 == 1
    assert measured["loss"] == pytest.approx(expected["loss"], abs=1e-2)
    histories = [package.metrics()["training"]["history"] for package in (two, one)]
    for epoch, same in zip(*histories, strict=True):
        assert epoch == pytest.approx(same, abs=1e-2)


def test_one_process_says_where_it_computes() -> None:
    fabric, why = join_processes("cpu")
    assert (fabric.device.type, fabric.world_size, why) == ("cpu", 1, "as requested")


def test_processes_cannot_share_a_numbered_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="device 'cpu:0': 2 processes cannot share it; give cpu without"):
        join_processes("cpu:0")
