import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

from training.processes import join_processes
from zoo.errors import InputError
from zoo.package import WEIGHTS_FILE, Package

ARGUMENTS = "train wrn16-ours --epochs 1 --growth 1 --batch-size 32 --precision fp32 --peak-learning-rate 0.02"


def train(cifar: Path, folder: Path, *launcher: str, **environment: str) -> Package:
    """`zoo train` on 100 images in processes of its own."""
    command = [sys.executable, *launcher, "-m", "zoo", *ARGUMENTS.split(), "--data", str(cifar), "--limit", "100"]
    ended = subprocess.run(
        [*command, "--run-folder", str(folder), "--device", "cpu"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("training images") == 1
    return Package.open(folder / "model")


def test_two_processes_train_what_one_does(cifar: Path, tmp_path: Path) -> None:
    one = train(cifar, tmp_path / "one")
    two = train(cifar, tmp_path / "two", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert_close(load_file(two.path / WEIGHTS_FILE), load_file(one.path / WEIGHTS_FILE), rtol=1e-3, atol=1e-4)
    measured, expected = two.metrics(), one.metrics()
    assert measured["test"]["torch"]["images"] == 256
    assert measured["test"]["torch"]["loss"] == pytest.approx(expected["test"]["torch"]["loss"], abs=1e-3)
    [epoch], [same] = measured["training"]["history"], expected["training"]["history"]
    assert epoch == pytest.approx(same, abs=1e-3)


def test_one_process_says_where_it_computes() -> None:
    fabric, why = join_processes("cpu", "bf16")
    assert (fabric.device.type, fabric.world_size, why) == ("cpu", 1, "as asked")


def test_processes_cannot_share_a_numbered_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="device 'cpu:0': 2 processes cannot share one; give cpu without number"):
        join_processes("cpu:0", "fp32")
