import pytest
from support.fake_cuda import GB, FakeCuda

from zoo import nvidia
from zoo.errors import DeviceError
from zoo.nvidia import gpu_name, gpu_problem, nvidia_driver, total_gpu_memory, used_gpu_memory


def test_a_gpu_that_can_be_used(fake_cuda: FakeCuda) -> None:
    assert nvidia_driver()
    assert gpu_problem("13.0") == ""
    assert gpu_name() == "NVIDIA Fake 100"
    assert total_gpu_memory() == 8 * GB
    assert used_gpu_memory() == GB


def test_a_driver_whose_files_a_sandbox_hides(fake_cuda: FakeCuda) -> None:
    fake_cuda.driver.status = 100
    assert not nvidia_driver()


@pytest.mark.parametrize(
    ("version", "cuda", "words"),
    [
        (12_080, "13.0", ["CUDA up to 12.8", "CUDA 13", "driver 580"]),
        (11_040, "12.9", ["CUDA up to 11.4", "CUDA 12", "driver 525"]),
        (13_000, "99.1", ["CUDA up to 13.0", "CUDA 99"]),
    ],
)
def test_a_driver_that_is_too_old(version: int, cuda: str, words: list[str], fake_cuda: FakeCuda) -> None:
    fake_cuda.driver.version = version
    problem = gpu_problem(cuda)
    assert all(word in problem for word in words), problem


@pytest.mark.parametrize("version", [13_000, 13_020, 14_000])
def test_a_driver_that_is_new_enough(version: int, fake_cuda: FakeCuda) -> None:
    fake_cuda.driver.version = version
    assert gpu_problem("13.0") == ""


def test_gpus_that_are_hidden(fake_cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "_FILES", ("/",))
    fake_cuda.driver.status = 100
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert "CUDA_VISIBLE_DEVICES='7'" in gpu_problem("13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "error 100, no CUDA-capable device is detected" in gpu_problem("13.0")
    with pytest.raises(DeviceError, match="error 100"):
        gpu_name()


def test_a_driver_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "_library", lambda: OSError("libcuda.so.1: cannot open shared object file"))
    monkeypatch.setattr(nvidia, "_FILES", ("/",))
    assert "libcuda.so.1: cannot open" in gpu_problem("13.0")
    with pytest.raises(DeviceError, match=r"libcuda\.so\.1: cannot open"):
        gpu_name()
    monkeypatch.setattr(nvidia, "_FILES", ())
    assert gpu_problem("13.0") == "this machine has no NVIDIA driver"
