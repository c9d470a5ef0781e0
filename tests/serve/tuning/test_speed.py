"""No test asserts a time that a machine took: those here are made up."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.fake_cuda import FakeCuda
from support.process import PROGRAM

from serve.settings import MAX_BATCH
from serve.tuning.speed import measure_speed
from serve.tuning.stopwatch import Seconds, Setting
from zoo.errors import PackageError
from zoo.files import sha256
from zoo.hub import open_model
from zoo.package import CARD_FILE, ONNX_FILES, SPEED_FILE, Package
from zoo.package.timings import read_speed
from zoo.runtime import Runtime


@pytest.fixture
def package(tmp_path: Path) -> Package:
    left_out = shutil.ignore_patterns(SPEED_FILE, ONNX_FILES["fp16"])
    shutil.copytree(open_model("wrn16-ours").path, tmp_path / "model", ignore=left_out)
    return Package.open(tmp_path / "model")


def test_every_precision_is_measured_with_the_default_options(package: Package) -> None:
    asked: list[Setting] = []

    def measure(settings: Sequence[Setting], batches: Sequence[int]) -> Sequence[Seconds]:
        asked.extend(settings)
        return [{batch: 0.001 * batch for batch in batches} for _ in settings]

    found = measure_speed(package, "cpu", threads=1, measure=measure)
    assert asked == [Setting("fp32", Runtime()), Setting("int8", Runtime())]
    assert found["int8"].seconds == {1: 0.001, MAX_BATCH["cpu"]: 0.001 * MAX_BATCH["cpu"]}
    assert found["int8"].onnx_sha256 == sha256(package.path / "model.int8.onnx")
    assert found["int8"].device == "ONNX Runtime on the CPU"
    assert found["int8"].threads == 1


@pytest.mark.slow
def test_the_command_writes_it_into_the_directory_and_the_card(
    package: Package, run_zoo: Callable[..., CompletedProcess[str]]
) -> None:
    flags = ("--device", "cpu", "--threads", 1, "--seconds", 0)
    said = run_zoo("speed", f"local-dir:{package.path}", *flags, "--dry-run").stdout
    assert "wrn16-ours.cifar10, int8: " in said
    assert not (package.path / SPEED_FILE).exists()
    run_zoo("speed", f"local-dir:{package.path}", *flags)
    assert read_speed(package).keys() == {"fp32", "int8"}
    assert "Median times with ONNX Runtime on the CPU" in (package.path / CARD_FILE).read_text()


def test_a_model_without_an_onnx_file() -> None:
    with pytest.raises(
        PackageError, match=r"rn26\.cifar10 has no ONNX file in fp32; create one with `zoo export rn26\.cifar10`"
    ):
        measure_speed(open_model("rn26"))


def test_a_record_that_is_not_valid(package: Package) -> None:
    (package.path / SPEED_FILE).write_text('{"fp32": {"threads": 1}}')
    with pytest.raises(PackageError, match=r"is not a record of `zoo speed`: .* remove it, or run `zoo speed` again"):
        read_speed(package)


def test_a_record_names_the_gpu(package: Package, fake_cuda: FakeCuda) -> None:
    def measure(settings: Sequence[Setting], batches: Sequence[int]) -> Sequence[Seconds]:
        return [dict.fromkeys(batches, 0.001) for _ in settings]

    found = measure_speed(package, "cuda", threads=1, measure=measure)
    assert {(speed.device, speed.processor) for speed in found.values()} == {
        ("ONNX Runtime on CUDA", "NVIDIA Fake 100")
    }
    assert set(found["fp32"].seconds) == {1, MAX_BATCH["cuda"]}


def test_why_there_is_no_gpu_is_the_only_output(
    package: Package, fake_cuda: FakeCuda, run_zoo: Callable[..., CompletedProcess[str]]
) -> None:
    fake_cuda.driver.version = 12_080
    ended = run_zoo("speed", f"local-dir:{package.path}", "--device", "cuda")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "driver 580" in ended.stderr


@pytest.mark.cuda
@pytest.mark.process
def test_a_gpu_that_is_hidden(package: Package) -> None:
    command = [PROGRAM, "speed", f"local-dir:{package.path}", "--device", "cuda"]
    ended = subprocess.run(command, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "CUDA_VISIBLE_DEVICES=''" in ended.stderr
