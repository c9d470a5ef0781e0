import logging
from pathlib import Path

import pytest
from support.fake_cuda import FakeCuda

from zoo.errors import DeviceError
from zoo.hub import open_model
from zoo.predictors import cuda_session
from zoo.predictors.cuda_session import CudaOptions, choose_device, expected_device, open_on_cuda
from zoo.predictors.cuda_thread import CudaThread, cuda_thread
from zoo.runtime import Precision

FILE = open_model("wrn16-ours").path / "model.onnx"


@pytest.mark.parametrize(("precision", "tf32"), [("fp32", "0"), ("fp16", "1"), ("int8", "1")])
def test_only_fp32_is_computed_without_tensor_cores(precision: Precision, tf32: str) -> None:
    assert CudaOptions().provider(precision, graphs=True)["use_tf32"] == tf32


def test_options_of_the_provider() -> None:
    assert CudaOptions().provider("fp32", graphs=False) == {
        "use_tf32": "0",
        "prefer_nhwc": "0",
        "enable_cuda_graph": "0",
        "arena_extend_strategy": "kSameAsRequested",
    }
    chosen = CudaOptions(memory_limit=10**9, tf32=True, nhwc=True).provider("fp32", graphs=True)
    assert (chosen["use_tf32"], chosen["prefer_nhwc"], chosen["gpu_mem_limit"]) == ("1", "1", "1000000000")


def test_a_gpu_is_chosen_and_started_once_in_the_cuda_thread(fake_cuda: FakeCuda) -> None:
    assert expected_device("auto") == "cuda"
    assert not fake_cuda.calls
    assert [choose_device("auto"), choose_device("cuda"), choose_device("cpu")] == ["cuda", "cuda", "cpu"]
    assert len(fake_cuda.details("start")) == 1
    assert fake_cuda.threads == {"cuda_0"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"broken": "/onnxruntime/cuda.cc:1 CUDA failure 999: unknown error ; GPU=0"},
            "CUDA: CUDA failure 999: unknown",
        ),
        ({"broken": "Failed to find kernel"}, "CUDA: Failed to find kernel"),
        ({"silent": True}, "its provider does not load"),
        ({"silent": True, "printed": "Failed to load libcublas.so.13: not found\n"}, "Failed to load libcublas.so.13"),
    ],
)
def test_why_it_does_not_start(
    changes: dict[str, object],
    reason: str,
    fake_cuda: FakeCuda,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cuda_session, "_provider_problem", lambda ort: "")
    for name, value in changes.items():
        setattr(fake_cuda, name, value)
    with pytest.raises(DeviceError) as caught:
        choose_device("cuda")
    assert reason in str(caught.value)
    assert not any(part in str(caught.value) for part in ("and more", "cuda.cc", "GPU=0"))
    assert choose_device("auto") == "cpu"
    assert choose_device("auto") == "cpu"
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert reason in record.message
    assert capsys.readouterr().out == ""


def test_a_library_that_is_missing_is_named(fake_cuda: FakeCuda, tmp_path: Path) -> None:
    fake_cuda.silent = True
    fake_cuda.__file__ = str(tmp_path / "__init__.py")
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cuda.so").write_bytes(b"not a library")
    with pytest.raises(DeviceError, match=r"libonnxruntime_providers_cuda\.so"):
        choose_device("cuda")


def test_a_driver_that_is_too_old(fake_cuda: FakeCuda) -> None:
    fake_cuda.driver.version = 12_040
    with pytest.raises(DeviceError, match=r"supports CUDA up to 12\.4.*CUDA 13, which needs driver 580"):
        choose_device("cuda")
    assert expected_device("auto") == choose_device("auto") == "cpu"
    assert not fake_cuda.calls


def test_an_onnx_runtime_without_cuda(fake_cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_cuda, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"built without CUDA.*install onnxruntime-gpu"):
        choose_device("cuda")


def test_a_process_that_was_forked_computes_on_the_cpu(fake_cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = CudaThread()
    lost.lost = True
    monkeypatch.setattr(cuda_session, "cuda_thread", lost)
    assert choose_device("auto") == "cpu"
    with pytest.raises(DeviceError, match="forked"):
        choose_device("cuda")


def test_a_file_that_allows_no_graphs_is_opened_without(fake_cuda: FakeCuda, caplog: pytest.LogCaptureFixture) -> None:
    fake_cuda.refuses_graphs = True
    session, captures = cuda_thread.run(open_on_cuda, FILE, "fp32", CudaOptions(), True)
    del session
    assert not captures
    assert [chosen["enable_cuda_graph"] for chosen in fake_cuda.details("open")] == ["1", "0"]
    [record] = caplog.records
    assert "cannot use the graph capture feature" in record.message


def test_a_file_that_cannot_be_opened(fake_cuda: FakeCuda) -> None:
    fake_cuda.broken = "out of memory"
    with pytest.raises(DeviceError, match=r"model\.onnx cannot be opened on CUDA: out of memory;"):
        cuda_thread.run(open_on_cuda, FILE, "fp32", CudaOptions(), True)
    fake_cuda.broken, fake_cuda.silent = "", True
    with pytest.raises(DeviceError, match="its provider does not load"):
        cuda_thread.run(open_on_cuda, FILE, "fp32", CudaOptions(), True)


@pytest.mark.cuda
def test_a_gpu_starts(capfd: pytest.CaptureFixture[str]) -> None:
    assert choose_device("cuda") == choose_device("auto") == "cuda"
    assert capfd.readouterr().out == ""
